"""Entry points for ``torch.hub.load(REPOSITORY, 'ViT_B_16')``.

Each gives (model, preprocess) as ``mmseg_maskclip.maskclip.load`` does, and takes its keywords:
device, input_resolution, dataset, text_feature_layer, templates, dense_mode, download_root.
"""

import functools
import re

dependencies = ['torch', 'torchvision', 'open_clip', 'mmcv', 'mmseg', 'cv2', 'numpy', 'PIL']

_MODELS = ('RN50', 'RN101', 'RN50x4', 'RN50x16', 'RN50x64', 'ViT-B/32', 'ViT-B/16', 'ViT-L/14',
           'ViT-L/14@336px', 'TinyRN', 'TinyViT', 'TinyViT8')


def _load(model, **settings):
    from mmseg_maskclip.maskclip import load

    return load(model, **settings)


def _entry(model):
    entry = functools.partial(_load, model)
    entry.__doc__ = f'{model}: (model, preprocess); keywords as of mmseg_maskclip.maskclip.load.'
    return entry


def tokenize():
    """The function that turns prompts into tokens."""
    from mmseg_maskclip.maskclip import tokenize as function

    return function


globals().update({re.sub(r'\W', '_', _model): _entry(_model) for _model in _MODELS})
