"""What an exported model is to say of itself."""

from __future__ import annotations

from typing import Any

import torch
from mmseg.datasets.pipelines import Compose
from torch import nn

from mmseg_maskclip.engine.inference import SMALL
from mmseg_maskclip.engine.predict.build import Built
from mmseg_maskclip.engine.predict.vocabulary import Vocabularies
from mmseg_maskclip.geometry.windows import Windows, slide_settings
from mmseg_maskclip.models import MaskClip, ZegClip
from mmseg_maskclip.models.backbones import ClipBackbone, ClipResNet
from mmseg_maskclip.models.backbones.clip_resnet import STRIDE
from mmseg_maskclip.ops import LOGIT_SCALE
from mmseg_maskclip.portable.description import COSINES, LOGITS, MASKS, NO_PAD, Description
from mmseg_maskclip.utils import InputError
from mmseg_maskclip.utils.records import versions

# Steps of a pipeline that leave the picture as it is.
_PLAIN = ('RandomFlip', 'ImageToTensor', 'Collect', 'DefaultFormatBundle')


def describe(vocabularies: Vocabularies, temperature: float = 1.0) -> Description:
    """What a runner has to know of a model.

    Args:
        vocabularies: Of the model.
        temperature: Scores are divided by it.

    Raises:
        InputError: If pictures are shown to it in a way that a runner can't repeat.
    """
    built = vocabularies.built
    model, record = built.model, built.record
    resize, normalise = _steps(built.pipeline)
    mean, std = (tuple(float(value) for value in part)
                 for part in (normalise.mean, normalise.std))
    kind = COSINES if isinstance(model, MaskClip) else (
        MASKS if isinstance(model, ZegClip) else LOGITS)
    return Description(
        model=str(record['model']), clip=built.spec.name, sha256=record['sha256'],
        text_sha256=_text_sha256(vocabularies),
        method=record.get('method', 'zegclip' if kind == MASKS else 'student'),
        fidelity=getattr(model.backbone, 'fidelity', ''), width=model.decode_head.text_channels,
        kind=kind, scale=float(LOGIT_SCALE), temperature=float(temperature),
        background=model.decode_head.background, embeds=_embeds(model), mean=mean, std=std,
        align_corners=bool(model.align_corners), versions=versions(), **resize,
        **_sides(model, mean, std), **_windows(model))


def _text_sha256(vocabularies: Vocabularies) -> str:
    """Of the file that embeds words; empty where none is at hand, and a bank brings them all."""
    try:
        encoder = vocabularies.encoder
    except InputError:
        return ''
    return encoder.sha256 if encoder.has_tower else ''


def table_shapes(built: Built) -> set[tuple[int, ...]]:
    """Shapes in which position tables stand in a graph, (h, w * C).

    Args:
        built: The model.
    """
    tower = _tower(built.model)
    if tower is None:
        return set()
    table = tower.attnpool.positional_embedding if isinstance(tower, ClipResNet) else (
        tower.pos_embed[0])
    side = round((len(table) - 1) ** 0.5)
    height, width = tower.stored_grid or (side, side)
    return {(height, width * table.shape[1])}


def _steps(pipeline: Compose) -> tuple[dict[str, Any], Any]:
    """Settings of the resizing, and the step that normalises."""
    augment = pipeline.transforms[0] if len(pipeline.transforms) == 1 else None
    if type(augment).__name__ != 'MultiScaleFlipAug':
        raise InputError('the test pipeline has no MultiScaleFlipAug: export reads from it how '
                         'pictures are resized.')
    scales = augment.img_scale
    if augment.flip or scales is None or len(scales) != 1:
        raise InputError('the test pipeline has flips or several scales, which an exported model '
                         'does not average: set flip=False and one img_scale.')
    found = {type(step).__name__: step for step in augment.transforms.transforms}
    others = set(found).difference(_PLAIN, ('Resize', 'Normalize'))
    if others or not {'Resize', 'Normalize'} <= set(found):
        what = ', '.join(sorted(others)) or 'no Resize or no Normalize'
        raise InputError(f'the test pipeline has {what}, expected Resize, Normalize and what '
                         'leaves the picture as it is.')
    resize = found['Resize']
    if getattr(resize, 'min_size', None) or not found['Normalize'].to_rgb:
        raise InputError('the test pipeline has min_size or to_rgb=False, which a runner of '
                         'exported models does not know: leave them out.')
    return {'img_scale': tuple(int(side) for side in scales[0]),
            'keep_ratio': bool(resize.keep_ratio)}, found['Normalize']


def _tower(model: nn.Module) -> ClipBackbone | None:
    """CLIP's tower, which a student has not."""
    found = getattr(model.backbone, 'tower', model.backbone)
    return found if isinstance(found, ClipBackbone) else None


def _embeds(model: nn.Module) -> bool:
    return isinstance(model, ZegClip) or (
        isinstance(model, MaskClip) and model.backbone.encodes_images)


def _sides(model: nn.Module, mean: tuple, std: tuple) -> dict[str, Any]:
    """Which sizes the graph takes, and how a picture gets one."""
    tower = _tower(model)
    if tower is None:
        # Students take any size that the graph was traced for, and are not padded.
        return {'pad': NO_PAD, 'least': SMALL}
    # Towers pad with zeros behind their own normalisation.
    zero = tower.unnormalise(torch.zeros(1, 3, 1, 1)).flatten().tolist()
    colour = {'pad_colour': tuple(
        value * deviation + middle for value, deviation, middle in zip(zero, std, mean))}
    if isinstance(tower, ClipResNet):
        return {'least': STRIDE, **colour}
    patch = tower.patch_embed.patch_size
    return {'patch': patch, 'least': 2 * patch, 'pad': tower.patch_embed.pad, **colour}


def _windows(model: nn.Module) -> dict[str, Any]:
    # Refuses settings that can't be used.
    Windows.of(model.test_cfg, (1, 1))
    if model.test_cfg['mode'] == 'whole':
        return {'direct_resize': bool(model.test_cfg.get('direct_resize'))}
    crop, stride = slide_settings(model.test_cfg)
    return {'window': tuple(crop), 'stride': tuple(stride)}
