"""open_clip's own models with random weights, as the yardstick of speed."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Sequence

import open_clip
import torch
from torch import Tensor, nn

from mmseg_maskclip.clip.checkpoints.keys import backbone_to_openai, openai_to_backbone
from mmseg_maskclip.clip.checkpoints.read import ClipCheckpoint
from mmseg_maskclip.clip.spec import ClipSpec
from mmseg_maskclip.utils import InputError

_STRIDE = 32


def random_checkpoint(spec: ClipSpec) -> ClipCheckpoint:
    """A checkpoint of a model with open_clip's random weights, without a file.

    Args:
        spec: The model, by its ``open_clip_name``.

    Raises:
        InputError: If open_clip does not know it.
    """
    state = _random_state(spec)
    visual = {key[len('visual.'):]: value for key, value in state.items()
              if key.startswith('visual.')}
    text = {key: value for key, value in state.items()
            if not key.startswith(('visual.', 'logit_'))}
    return ClipCheckpoint(Path('random'), 'random weights',
                          openai_to_backbone(visual, spec.kind), text)


def random_file(spec: ClipSpec, folder: Path) -> Path:
    """A file of the same weights, as open_clip's state dict.

    Args:
        spec: The model.
        folder: Where it is written to.

    Raises:
        InputError: As :func:`random_checkpoint`.
    """
    path = folder / f'{spec.short_name}.pt'
    torch.save(_random_state(spec), path)
    return path


def _random_state(spec: ClipSpec) -> dict[str, Tensor]:
    if spec.open_clip_name is None:
        raise InputError(f'open_clip has no model {spec.name} to measure against: take a config of '
                         "one of OpenAI's models.")
    state = open_clip.create_model(spec.open_clip_name, pretrained=None).state_dict()
    for key in state:
        # The last gain of every residual branch starts at zero, which no trained model has.
        if key.endswith('bn3.weight'):
            state[key] = torch.full_like(state[key], 0.5)
    return state


def reference_encoder(checkpoint: ClipCheckpoint, spec: ClipSpec,
                      size: tuple[int, int]) -> Callable[[Tensor], Tensor]:
    """open_clip's visual forward of a model, its position table cut to a size.

    Args:
        checkpoint: The weights.
        spec: The model they are of.
        size: (height, width) of the images.

    Returns:
        The image tower in eval mode: (B, 3, height, width) to (B, D).
    """
    visual = open_clip.create_model(spec.open_clip_name, pretrained=None).visual.eval()
    visual.load_state_dict(backbone_to_openai(checkpoint.visual, spec.kind))
    stride = spec.patch_size or _STRIDE
    rows = (size[0] // stride) * (size[1] // stride) + 1
    owner = visual if spec.kind == 'vit' else visual.attnpool
    table = owner.positional_embedding
    owner.positional_embedding = nn.Parameter(torch.randn(rows, table.shape[1]) * table.std())
    return visual


def reference_classifier(checkpoint: ClipCheckpoint, spec: ClipSpec, names: Sequence[str],
                         templates: Sequence[str], device: torch.device) -> Callable[[], Tensor]:
    """open_clip's own ``build_zero_shot_classifier``, one class at a time.

    Args:
        checkpoint: The weights.
        spec: The model they are of.
        names: K class names.
        templates: Sentences with one ``{}``.
        device: Where it encodes.

    Returns:
        A function without arguments that returns the classifier, (D, K).
    """
    model = open_clip.create_model(spec.open_clip_name, pretrained=None).eval()
    model.load_state_dict(checkpoint.text, strict=False)
    model = model.to(device)
    tokenizer = open_clip.get_tokenizer(spec.open_clip_name)
    return lambda: open_clip.build_zero_shot_classifier(
        model, tokenizer, list(names), [template.format for template in templates],
        num_classes_per_batch=1, device=device)
