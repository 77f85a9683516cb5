"""``load`` of the earlier ``maskclip`` package."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Sequence, Union

import torch

from mmseg_maskclip.apis.maskclip_package.class_sets import dataset_name, get_classes
from mmseg_maskclip.apis.maskclip_package.model import DualEncoder
from mmseg_maskclip.apis.maskclip_package.text import (
    generate_text_embeddings,
    remember,
    template_set,
)
from mmseg_maskclip.clip import (
    CheckpointContent,
    ClipCheckpoint,
    ClipSpec,
    TextEncoder,
    cached_text_bank,
    clip_checkpoint_from,
    download_clip,
    fit_activation,
    get_spec,
    list_models,
    load_templates,
    pick_device,
    read_checkpoint_file,
    recognise_model,
    stretched_transform,
)
from mmseg_maskclip.models import ClipResNet, ClipViT
from mmseg_maskclip.models.backbones import ClipBackbone
from mmseg_maskclip.models.backbones.base import IMAGENET_MEAN, IMAGENET_STD
from mmseg_maskclip.models.weights.tower import load_tower
from mmseg_maskclip.utils import InputError, require_number

if TYPE_CHECKING:
    from torchvision.transforms import Compose

DENSE_MODES = ('clip', 'paper', 'akanametov')
Size = Union[int, Sequence[int], None]


def available_models() -> list[str]:
    """OpenAI's nine CLIP models, and the embedded ones, which need no file."""
    return list_models()


def load(name: str | Path, device: str | torch.device | None = None, input_resolution: Size = None,
         dataset: str | None = None, text_feature_layer: int | None = -1,
         templates: str | Sequence[str] = 'maskclip', dense_mode: str = 'clip',
         download_root: str | Path | None = None) -> tuple[DualEncoder, Compose]:
    """A model, and the transform of its images.

    OpenAI's models are downloaded to ``~/.cache/maskclip`` and checked by their SHA-256;
    ``MASKCLIP_BASE_URL`` names a mirror.

    Args:
        name: One of :func:`available_models`, another name that
            :func:`~mmseg_maskclip.clip.get_spec` knows, or a CLIP file in any form, also a state
            dict with ``text_embeddings`` or with a resized position table.
        device: Where it runs, in half precision on a GPU; None for a GPU where there is one.
        input_resolution: Side or (H, W) that the transform stretches pictures to; None for the
            model's own. The model takes any size.
        dataset: One of :func:`available_datasets`, whose classes it is set to.
        text_feature_layer: Of these classes, see :meth:`DualEncoder.encode_text`.
        templates: Of these classes, see :func:`generate_text_embeddings`.
        dense_mode: How patches are read: ``'clip'``, MaskCLIP on CLIP as it was trained;
            ``'paper'``, MaskCLIP as its official code computes it; ``'akanametov'``, as the
            earlier package does.
        download_root: Where downloads go.

    Returns:
        The model in evaluation mode, and a transform from a PIL picture to (3, H, W).

    Raises:
        InputError: If an argument is wrong, or the file is missing or broken.
    """
    if dense_mode not in DENSE_MODES:
        raise InputError(f'dense_mode is {dense_mode!r}, expected one of {DENSE_MODES}.')
    load_templates(template_set(templates))
    chosen = None if dataset is None else dataset_name(dataset)
    where = pick_device(None if device is None else str(device))
    content, spec = _find(name, download_root)
    checkpoint = clip_checkpoint_from(content)
    spec = recognise_model(checkpoint) if spec is None else spec
    size = _resolution(input_resolution, spec)
    model = _build(checkpoint, spec, dense_mode, content.state.get('logit_scale'))
    # The transform has normalised already.
    model.visual.input_resolution = size[0] if size[0] == size[1] else size
    model.visual.output_dim = spec.embed_dim
    model.to(where)
    if where.type == 'cuda':
        # Not the text tower, which encodes each class once.
        model.visual.half()
    if chosen is not None:
        _set_classes(model, checkpoint, chosen, templates, text_feature_layer)
    elif 'text_embeddings' in content.state:
        model.initialize_text_embeddings(content.state['text_embeddings'])
    remember(model)
    mean, std = _statistics(spec, dense_mode)
    return model.eval(), stretched_transform(size, mean, std)


def _find(name: str | Path, root: str | Path | None) -> tuple[CheckpointContent, ClipSpec | None]:
    """The file of a model, and its sizes where its name tells them."""
    if Path(name).is_file():
        return read_checkpoint_file(name, what='CLIP checkpoint'), None
    try:
        spec = get_spec(str(name))
    except InputError as error:
        raise InputError(f'{name} is neither a file nor a known model: expected a CLIP file or '
                         f'one of {", ".join(list_models())}.') from error
    if spec.weights:
        return read_checkpoint_file(spec.weights), spec
    folder = Path.home() / '.cache' / 'maskclip' if root is None else Path(root)
    path = download_clip(spec, folder, again=f'mmseg_maskclip.maskclip.load({str(name)!r})',
                         replace=True)
    return read_checkpoint_file(path, what='CLIP checkpoint'), spec


def _statistics(spec: ClipSpec, dense_mode: str) -> tuple[tuple, tuple]:
    """Mean and standard deviation of the transform, 0..1."""
    if dense_mode == 'paper':
        return (tuple(value / 255 for value in IMAGENET_MEAN),
                tuple(value / 255 for value in IMAGENET_STD))
    return spec.mean, spec.std


def _build(checkpoint: ClipCheckpoint, spec: ClipSpec, dense_mode: str,
           logit_scale: torch.Tensor | None) -> DualEncoder:
    spec = fit_activation(checkpoint, spec)
    mean, std = _statistics(spec, dense_mode)
    settings: dict[str, Any] = dict(
        arch=asdict(spec), fidelity='paper' if dense_mode == 'paper' else 'clip',
        input_mean=[255 * value for value in mean], input_std=[255 * value for value in std])
    if dense_mode == 'akanametov':
        settings['readout'] = dict(type='AddedValueReadout')
    visual: ClipBackbone
    if spec.kind == 'vit':
        visual = ClipViT(pad='drop' if dense_mode == 'akanametov' else 'corner', **settings)
    else:
        visual = ClipResNet(**settings)
    load_tower(visual, checkpoint)
    scale = math.log(100) if logit_scale is None else float(logit_scale)
    return DualEncoder(visual, TextEncoder(checkpoint, spec) if checkpoint.text else None, scale)


def _resolution(size: Size, spec: ClipSpec) -> tuple[int, int]:
    sides = (spec.image_size,) * 2 if size is None else (size,) * 2 if isinstance(
        size, int) else size
    if not isinstance(sides, (list, tuple)) or len(sides) != 2:
        raise InputError(f'input_resolution is {size!r}, expected a number of pixels, or (H, W).')
    for side in sides:
        require_number(side, 'input_resolution', minimum=spec.patch_size or 32, whole=True,
                       hint=f'one cell of {spec.name} or more')
    return int(sides[0]), int(sides[1])


def _set_classes(model: DualEncoder, checkpoint: ClipCheckpoint, dataset: str,
                 templates: str | Sequence[str], layer: int | None) -> None:
    """Set the classes of a data set; a tower that is read whole has its banks in the cache."""
    names = get_classes(dataset)
    if layer in (None, -1):
        model.require_text()
        rows = cached_text_bank(checkpoint, model.visual.spec, dataset, template_set(templates),
                                device=model.device).embeddings
    else:
        rows = generate_text_embeddings(model, names, templates, feature_layer=layer)
    model.initialize_text_embeddings(rows, names)
