"""Flags that change the test pipeline: scale, flips, corruption."""

from __future__ import annotations

from typing import Iterator, Sequence

from mmcv import Config

from mmseg_maskclip.engine.config import test_settings
from mmseg_maskclip.utils import InputError, require_number

AUG_RATIOS = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]


def transforms_of(pipeline: Sequence[dict], name: str) -> Iterator[dict]:
    """All transforms of one type, nested ones included.

    Args:
        pipeline: A pipeline of a config.
        name: Registered name of the transform.
    """
    for transform in pipeline:
        if transform.get('type') == name:
            yield transform
        yield from transforms_of(transform.get('transforms', ()), name)


def _multi_scale(config: Config) -> list[dict]:
    found = [transform for settings in test_settings(config)
             for transform in transforms_of(settings.pipeline, 'MultiScaleFlipAug')]
    if not found:
        raise InputError("data.test.pipeline has no 'MultiScaleFlipAug' transform, which "
                         '--img-scale and --aug-test change.')
    return found


def set_img_scale(config: Config, scale: tuple[int, int]) -> None:
    """Set the test scale (width, height), as ``--img-scale`` does."""
    for side in scale:
        require_number(side, '--img-scale', minimum=1, whole=True)
    for transform in _multi_scale(config):
        transform['img_scale'] = tuple(scale)


def set_aug_test(config: Config) -> None:
    """Test with six scales and flips, as ``--aug-test`` does."""
    for transform in _multi_scale(config):
        transform['img_ratios'] = list(AUG_RATIOS)
        transform['flip'] = True


def set_corruption(config: Config, name: str, severity: int) -> None:
    """Corrupt each test image right after it is read."""
    for settings in test_settings(config):
        pipeline = list(settings.pipeline)
        # Behind LoadImageFromFile: corruptions are defined at the original resolution.
        pipeline.insert(1, {'type': 'Corrupt', 'name': name, 'severity': severity})
        settings.pipeline = pipeline
    weight = config.model.get('class_weight')
    if isinstance(weight, dict) and weight.get('source') != 'class_token':
        # The file is not corrupted: a prior read from it would see the clean image.
        weight.source = 'input'
