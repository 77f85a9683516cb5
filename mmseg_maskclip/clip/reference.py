"""open_clip's own models with random weights, as the yardstick of speed."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import open_clip
from torch import Tensor

from mmseg_maskclip.clip.checkpoint import ClipCheckpoint
from mmseg_maskclip.clip.key_maps import openai_to_backbone
from mmseg_maskclip.clip.spec import ClipSpec


def reference_encoder(spec: ClipSpec, size: tuple[int, int]) -> Callable[[Tensor], Tensor]:
    """open_clip's visual forward of a model, with random weights.

    Args:
        spec: The model; its ``open_clip_name`` says which.
        size: (height, width) the position table is built for.

    Returns:
        The image tower in eval mode: (B, 3, height, width) to (B, D).
    """
    model = open_clip.create_model(spec.open_clip_name, pretrained=None, force_image_size=size)
    return model.visual.eval()


def random_checkpoint(spec: ClipSpec) -> ClipCheckpoint:
    """A checkpoint of a model that no file holds: random weights.

    Args:
        spec: The model; its ``open_clip_name`` says which.
    """
    state = open_clip.create_model(spec.open_clip_name, pretrained=None).state_dict()
    visual = {key[len('visual.'):]: value for key, value in state.items()
              if key.startswith('visual.')}
    text = {key: value for key, value in state.items()
            if not key.startswith(('visual.', 'logit_'))}
    return ClipCheckpoint(Path('random'), 'random weights',
                          openai_to_backbone(visual, spec.kind), text)
