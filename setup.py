"""Installs the package; mmcv itself comes from env_install.sh (see docs/install.md)."""

from pathlib import Path

from setuptools import find_packages, setup

VERSION_LINE = next(line for line in Path('mmseg_maskclip/__init__.py').read_text().splitlines()
                    if line.startswith('__version__'))
WEB = ['fastapi>=0.115', 'uvicorn>=0.30']
EXPORT = ['onnx', 'onnxscript', 'onnxruntime']

setup(
    name='mmseg_maskclip',
    version=VERSION_LINE.split("'")[1],
    description='Dense labels from CLIP, without annotations, on mmsegmentation',
    long_description=Path('README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    # Configs travel with the package, so that their names are found from any folder.
    packages=[*find_packages(include=['mmseg_maskclip', 'mmseg_maskclip.*']),
              'mmseg_maskclip.configs'],
    package_dir={'mmseg_maskclip.configs': 'configs'},
    package_data={
        'mmseg_maskclip.configs': ['**/*.py', '**/*.yml', '**/*.md'],
        'mmseg_maskclip.clip.text': ['data/*.txt', 'data/*/*.txt'],
        'mmseg_maskclip.tinyworld': ['weights/*'],
        'mmseg_maskclip.web': ['page.html'],
    },
    python_requires='>=3.9',
    install_requires=[
        'torch>=2.6',  # below, weights_only=True can be tricked into running code (CVE-2025-32434)
        'torchvision',
        'mmsegmentation==0.30.0',
        'open_clip_torch>=3.3,<4',
        'huggingface_hub',
        'safetensors',
        'timm',
        'numpy',
        'scipy',
        'opencv-python-headless',
        'pillow',
        'prettytable>=3.12',
        'pycocotools',
        'tqdm',
    ],
    entry_points={'console_scripts': ['maskclip = mmseg_maskclip.cli.main:main']},
    extras_require={
        'export': EXPORT,  # maskclip export, and predictions of what it writes
        'web': WEB,  # maskclip serve
        'dev': ['pytest', 'pytest-xdist', 'torchmetrics', 'ruff', 'import-linter', 'mypy',
                *WEB, *EXPORT,
                'httpx2; python_version >= "3.11"', 'httpx; python_version < "3.11"'],
        # What only tests/run.sh --all compares with, runs the notebook and opens the page by.
        'slow': ['transformers', 'nbclient', 'ipykernel', 'playwright', 'axe-playwright-python'],
    },
)
