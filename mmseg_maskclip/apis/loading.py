"""Load a model by name, config or checkpoint; download the weights of a CLIP model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Mapping

import torch

from mmseg_maskclip.apis.predictor import Predictor
from mmseg_maskclip.clip import download_clip, get_spec, pick_device
from mmseg_maskclip.clip.text.templates import TemplateSource
from mmseg_maskclip.engine.predict.configs import Settings
from mmseg_maskclip.engine.predict.contrast import DEFAULT, NEAR, Contrast
from mmseg_maskclip.portable.pictures import MAX_PIXELS

if TYPE_CHECKING:
    # Not before what silences its remarks on import.
    from mmcv import Config


def load(model: str | Path | Config = 'ViT-B/16', weights: str | Path | None = None, *,
         method: str | None = None, device: str | torch.device | None = None,
         size: int | None = None, templates: TemplateSource | None = None,
         ks_thresh: float = 0.0, pd_thresh: float = 0.0, contrast: Contrast = DEFAULT,
         contrast_limit: float = NEAR, fidelity: str = 'clip',
         clip_weights: str | Path | None = None, options: Mapping[str, Any] | None = None,
         max_pixels: int = MAX_PIXELS, precision: str = 'fp32') -> Predictor:
    """A model that segments any picture into any words. Nothing is downloaded.

    Args:
        model: Name of a CLIP model (``'TinyRN'`` needs no file); a config, or the
            name of a shipped one; or a checkpoint that training wrote.
        weights: The checkpoint of a named model or a config; of a CLIP model the
            file in ``pretrain/`` by default.
        method: How a CLIP ViT is read, a file of ``configs/heads/methods`` such as
            ``'naclip'``, by its own protocol; MaskCLIP on whole pictures by default.
        device: ``'cpu'`` or ``'cuda'``; a GPU where there is one by default.
        size: Short side that pictures are resized to, in pixels; 512 by default for
            MaskCLIP, else what the model is tested or was trained with.
        templates: What words are put into: a template set or a list of sentences;
            by default 85, or those of the config.
        ks_thresh: Key smoothing threshold (the paper: 1.0), 0 is off.
        pd_thresh: Prompt denoising threshold (the paper: 0.5), 0 is off.
        contrast: Words that a user's words compete with; by default the model's
            own set, None for none. ``predict`` may give others.
        contrast_limit: Cosine above which a contrast word counts as a user's word
            and is left out.
        fidelity: Of a named CLIP model, ``'clip'`` or ``'paper'``.
        clip_weights: The CLIP file that encodes words for a trained model.
        options: Changes to the config, ``{'model.test_cfg.mode': 'slide', ...}``.
        max_pixels: The most pixels a picture may have.
        precision: That of the forward pass, ``'fp32'``, ``'bf16'`` or, on a GPU,
            ``'fp16'``; words are embedded and labels chosen in fp32.

    Returns:
        The model, in evaluation mode.

    Raises:
        InputError: If there is no such model, a file is missing or does not fit, or
            settings don't go together.

    Example:
        >>> import mmseg_maskclip
        >>> model = mmseg_maskclip.load('TinyRN', device='cpu')
        >>> model.contrast[:3]
        ('grass', 'sky', 'sand')
    """
    settings = Settings(weights, method, size, templates, ks_thresh, pd_thresh, fidelity,
                        clip_weights, options, precision)
    where = pick_device(None if device is None else str(device))
    return Predictor(model, settings, where, contrast, contrast_limit, max_pixels)


def download(model: str = 'ViT-B/16', root: str | Path = 'pretrain',
             progress: bool = True) -> Path:
    """Download the weights of a CLIP model to where :func:`load` finds them.

    Args:
        model: Name of a CLIP model.
        root: The folder.
        progress: Whether to show a progress bar.

    Returns:
        The file.

    Raises:
        InputError: If the model is unknown or has no published file, or the host
            can't be reached.
    """
    return download_clip(get_spec(model), root, progress)
