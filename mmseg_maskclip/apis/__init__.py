"""What people call from Python; each part is imported when one of its names is touched."""

import importlib

_MODULES = {
    'EncodedPicture': 'mmseg_maskclip.apis.predictor',
    'ExportedPredictor': 'mmseg_maskclip.apis.exported',
    'METHODS': 'mmseg_maskclip.engine.predict.configs',
    'Picture': 'mmseg_maskclip.portable.pictures',
    'Predictor': 'mmseg_maskclip.apis.predictor',
    'Segmentation': 'mmseg_maskclip.apis.segmentation',
    'TestOptions': 'mmseg_maskclip.engine.results.options',
    'TrainOptions': 'mmseg_maskclip.engine.train.resume',
    'build_model': 'mmseg_maskclip.engine.build',
    'download': 'mmseg_maskclip.apis.loading',
    'export_model': 'mmseg_maskclip.apis.exporting',
    'init_segmentor': 'mmseg_maskclip.apis.segmentor',
    'load': 'mmseg_maskclip.apis.loading',
    'load_config': 'mmseg_maskclip.engine.config',
    'load_exported': 'mmseg_maskclip.apis.exported',
    'load_weights': 'mmseg_maskclip.models.weights.load',
    'make_bank': 'mmseg_maskclip.apis.exporting',
    'predict_files': 'mmseg_maskclip.apis.file_runs',
    'read_picture': 'mmseg_maskclip.portable.pictures',
    'test_model': 'mmseg_maskclip.engine.test',
    'train_model': 'mmseg_maskclip.engine.train.train',
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> object:
    """Import a name (PEP 562): who predicts does not wait for what trains."""
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list:
    """Also what is not loaded yet."""
    return sorted({*globals(), *_MODULES})
