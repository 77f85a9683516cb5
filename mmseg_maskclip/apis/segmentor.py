"""mmseg's ``init_segmentor`` for models whose weights are a CLIP file."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping, Sequence

import torch
from mmcv import Config
from torch import nn

from mmseg_maskclip.clip import load_vocabulary, pick_device
from mmseg_maskclip.datasets.palettes import make_palette
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.config import dataset_class, load_config
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.utils import InputError


def init_segmentor(config: str | Path | Config, checkpoint: str | Path | None = None,
                   device: str | torch.device | None = None) -> nn.Module:
    """A segmentor for mmseg's ``inference_segmentor`` and ``show_result_pyplot``.

    mmseg's own function unpickles a file and expects ``meta['CLASSES']`` in
    it, which no CLIP file has; this one takes whatever ``tools/test.py`` does.

    Args:
        config: A config file, the name of a shipped one, or a config; it is
            left as it is.
        checkpoint: A checkpoint of the model, for MaskCLIP a CLIP file in any
            form; None loads no weights.
        device: Where it runs; a GPU where there is one by default.

    Returns:
        The segmentor in evaluation mode, with ``CLASSES``, ``PALETTE`` and ``cfg``.

    Raises:
        InputError: If the config or the checkpoint is missing or does not fit.
    """
    if not isinstance(config, Config):
        if not isinstance(config, (str, Path)):
            raise InputError(f'config is a {type(config).__name__}, expected a file name or an '
                             'mmcv.Config.')
        config = load_config(config)
    device = pick_device(None if device is None else str(device))
    model = build_model(config)
    meta = load_weights(model, checkpoint, device) if checkpoint is not None else {}
    names, palette = _classes(model, config, meta)
    model.CLASSES, model.PALETTE = names, palette
    # Where inference_segmentor looks for the pipeline.
    model.cfg = config
    return model.to(device).eval()


def _classes(model: nn.Module, config: Config, meta: Mapping) -> tuple[Sequence, Sequence]:
    """Names and colours: of training, of the data set, or of the prompts."""
    if meta.get('CLASSES'):
        return meta['CLASSES'], meta.get('PALETTE') or make_palette(len(meta['CLASSES']))
    head = model.decode_head
    count = head.num_classes
    settings = config.get('data', {}).get('test', {})
    dataset = dataset_class(settings) if isinstance(settings, Mapping) else object
    own = getattr(dataset, 'CLASSES', None)
    if own and len(own) == count and not settings.get('classes'):
        return own, getattr(dataset, 'PALETTE', None) or make_palette(count)
    names = tuple(f'class {index}' for index in range(count))
    if getattr(head, 'vocabulary', None):
        prompts = load_vocabulary(head.vocabulary).class_names
        names = (*(['background'] * (count - len(prompts))), *prompts)
    return names, make_palette(count)
