"""From a CLIP file to a ``MaskClip``: tower, text embeddings, class weight."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmseg_maskclip.clip import ClipCheckpoint, read_clip_checkpoint
from mmseg_maskclip.models.class_weight.load import load_class_weight
from mmseg_maskclip.models.weights.text import load_text
from mmseg_maskclip.models.weights.tower import load_tower
from mmseg_maskclip.utils import require_file

if TYPE_CHECKING:
    from mmseg_maskclip.models.segmentors import MaskClip

_GET = 'bash download_weights.sh'


def load_clip(model: MaskClip, path: str, device: str = 'cpu') -> ClipCheckpoint:
    """Load a CLIP file into a ``MaskClip``: its tower, and its head's text embeddings.

    Args:
        model: A segmentor with a CLIP backbone and a ``MaskClipHead``.
        path: A CLIP checkpoint in any form.
        device: Where a missing text bank is encoded.

    Returns:
        What was read.

    Raises:
        InputError: If the file is missing, broken, or of another model.
    """
    require_file(path, 'CLIP checkpoint', f'Get it with: {_GET}')
    checkpoint = read_clip_checkpoint(path)
    load_tower(model.backbone, checkpoint)
    load_text(model.decode_head, model.backbone.spec, checkpoint, device)
    if model.class_weight is not None:
        load_class_weight(model.class_weight, model.decode_head, device, checkpoint, model.backbone)
    return checkpoint
