"""Load a CLIP file into a ``MaskClip``: tower, text embeddings, class weight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from mmseg_maskclip.clip import ClipCheckpoint, read_clip_checkpoint
from mmseg_maskclip.models.class_weight.load import check_class_weight, load_class_weight
from mmseg_maskclip.models.weights.files import locate_weights
from mmseg_maskclip.models.weights.text import load_text
from mmseg_maskclip.models.weights.tower import load_tower

if TYPE_CHECKING:
    from mmseg_maskclip.models.segmentors import MaskClip


def load_clip(model: MaskClip, source: str | Path | ClipCheckpoint,
              device: str | torch.device = 'cpu') -> ClipCheckpoint:
    """Load a CLIP file into a ``MaskClip``: its tower, and its head's text embeddings.

    Args:
        model: A segmentor with a CLIP backbone and a ``MaskClipHead``.
        source: A CLIP checkpoint in any form, or one that was read already.
        device: Where a missing text bank is encoded.

    Returns:
        The checkpoint.

    Raises:
        InputError: If the file is missing, broken, or of another model.
    """
    if model.class_weight is not None:
        check_class_weight(model.class_weight, model.decode_head, model.backbone)
    checkpoint = (source if isinstance(source, ClipCheckpoint)
                  else read_clip_checkpoint(locate_weights(source)))
    load_tower(model.backbone, checkpoint)
    load_text(model.decode_head, model.backbone.spec, checkpoint, device)
    if model.class_weight is not None:
        load_class_weight(model.class_weight, model.decode_head, device, checkpoint, model.backbone)
    return checkpoint
