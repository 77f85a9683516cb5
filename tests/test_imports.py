"""What the lower layers need in order to be imported, tried in a process of its own."""

import subprocess
import sys
import textwrap

import open_clip

from mmseg_maskclip.clip import make_spec

BLOCKED = ('mmcv', 'mmseg', 'open_clip', 'torchvision', 'timm', 'cv2', 'scipy', 'PIL',
           'prettytable', 'matplotlib', 'safetensors')


def _run(code):
    done = subprocess.run([sys.executable, '-c', textwrap.dedent(code)], capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_utils_ops_and_clip_import_without_what_they_may_not_need():
    """Torch for ops and clip, not even that for utils; all else is out of reach here."""
    printed = _run(f'''
        import sys
        from importlib.abc import MetaPathFinder

        class Blocker(MetaPathFinder):
            def find_spec(self, name, path, target=None):
                if name.partition('.')[0] in {BLOCKED}:
                    raise AssertionError(f'{{name}} is imported')

        sys.meta_path.insert(0, Blocker())
        import mmseg_maskclip.utils
        print('torch' in sys.modules, 'tqdm' in sys.modules)

        import torch
        from mmseg_maskclip.ops import score_patches
        print(int(score_patches(torch.ones(1, 2, 1, 1), torch.eye(2)).numel()))

        from mmseg_maskclip.clip import get_spec, load_vocabulary
        print(len(load_vocabulary('voc')), get_spec('TinyViT').patch_size)
    ''')
    assert printed == ['False', 'False', '2', '20', '8']


def test_the_stated_statistics_are_those_of_openai():
    spec = make_spec(width=64, layers=1)
    assert (spec.mean, spec.std) == (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
