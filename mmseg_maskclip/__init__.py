"""Dense labels from CLIP, without annotations, on mmsegmentation.

Importing this imports neither torch nor mmcv; public names are loaded when
they are touched. ``import mmseg_maskclip.register`` registers everything with
mmseg.
"""

import importlib

__version__ = '0.1.0'

_PUBLIC = dict.fromkeys((
    'EncodedPicture', 'ExportedPredictor', 'Predictor', 'Segmentation', 'TestOptions',
    'TrainOptions', 'build_model', 'download', 'export_model', 'init_segmentor', 'load',
    'load_config', 'load_exported', 'load_weights', 'make_bank', 'predict_files', 'test_model',
    'train_model'), 'mmseg_maskclip.apis')

__all__ = ['__version__', *_PUBLIC]


def __getattr__(name: str) -> object:
    """Load a public name (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list:
    """Also what is not loaded yet."""
    return sorted({*globals(), *_PUBLIC})
