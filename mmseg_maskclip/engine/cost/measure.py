"""Parameters, multiply-adds and speed of the model of a config."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from mmcv import Config
from torch import Tensor, nn

from mmseg_maskclip.engine.border import from_config
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.cost.operations import count_flops
from mmseg_maskclip.engine.cost.parameters import parameters_by_part
from mmseg_maskclip.engine.cost.speed import timed_turns
from mmseg_maskclip.engine.cost.text import set_random_text
from mmseg_maskclip.engine.precision import inference_precision
from mmseg_maskclip.models.backbones.base import IMAGENET_MEAN, IMAGENET_STD
from mmseg_maskclip.models.segmentors.tiled_inference import TiledInference
from mmseg_maskclip.ops.precision import running_in
from mmseg_maskclip.utils import InputError, require_number


class Part(NamedTuple):
    """What a part of a model costs.

    Attributes:
        parameters: All of them.
        learned: Those that training changes.
        macs: Multiply-adds of a test forward.
    """

    parameters: int
    learned: int
    macs: int


@dataclass(frozen=True)
class Cost:
    """What a model costs.

    Attributes:
        shape: Height and width of the network input.
        slide: Whether the model is tested in windows, of which the input is one.
        parts: By name: ``'backbone'`` (with neck), ``'head'``, and where there is more,
            ``'other'`` (what reads the whole image: class weight, class token).
        auxiliary: Parameters, all and learned, of heads that run in training alone.
        seconds: Of each timed run from the input to the label map; empty where none was.
    """

    shape: tuple[int, int]
    slide: bool
    parts: dict[str, Part]
    auxiliary: tuple[int, int]
    seconds: list[float]

    @property
    def total(self) -> Part:
        """Sum of the parts."""
        return Part(*map(sum, zip(*self.parts.values())))

    @property
    def images_per_second(self) -> float | None:
        """By the median of the timed runs."""
        return 1 / statistics.median(self.seconds) if self.seconds else None


@torch.no_grad()
def measure_cost(config: Config, shape: tuple[int, int], device: torch.device,
                 repeats: int = 0) -> Cost:
    """Parameters, multiply-adds and speed of one test forward.

    Weights and text embeddings are random: no file is read. Multiply-adds are those of all
    matrix products and convolutions from one network input to its scores; in slide mode
    that is one window.

    Args:
        config: With ``model``.
        shape: Height and width of the network input.
        device: Where it runs; on ``meta``, of models that don't look at values, nothing is
            computed.
        repeats: Timed runs, 0 for none.

    Raises:
        InputError: On an impossible shape, or if the model can't be built from the config
            or fails at this shape.
    """
    for side in shape:
        require_number(side, 'the shape of the input', minimum=1, whole=True)
    if repeats and device.type == 'meta':
        raise InputError('on the meta device nothing is computed, so that there is nothing to '
                         'time: leave the speed out, or take another device.')
    model = build_model(config).eval()
    slide = (model.test_cfg or {}).get('mode') == 'slide'
    if slide:
        # Windows of another size would be timed, and not be what is counted.
        model.test_cfg.update(crop_size=tuple(shape), stride=tuple(shape))
    set_random_text(model)
    model.to(device)
    image = torch.randn(1, 3, *shape).to(device)
    metas = [_meta(shape)]
    fails = f'fails on an input of {shape[0]} x {shape[1]}'
    if device.type == 'meta':
        fails += ' on the meta device, where there are no values to look at'
    with from_config('the model', fails):
        macs = _macs_by_part(model, image, metas)
        seconds: list[float] = []
        if repeats:
            with running_in(inference_precision(config, device), device):
                seconds = timed_turns({'': lambda: model.simple_test(image, metas)}, repeats,
                                      device)['']
    counted = parameters_by_part(model)
    auxiliary = counted.pop('auxiliary head', (0, 0))
    parts = {name: Part(*counted.get(name, (0, 0)), macs.get(name, 0))
             for name in dict.fromkeys([*counted, *macs])}
    return Cost(tuple(shape), slide, {name: part for name, part in parts.items() if any(part)},
                auxiliary, seconds)


def _meta(shape: tuple[int, int]) -> dict[str, Any]:
    """What mmseg's pipelines say of an image that is neither resized nor padded."""
    size = (*shape, 3)
    return dict(filename=None, ori_shape=size, img_shape=size, pad_shape=size, scale_factor=1.0,
                flip=False, flip_direction='horizontal', img_norm_cfg=dict(
                    mean=IMAGENET_MEAN, std=IMAGENET_STD, to_rgb=True))


def _macs_by_part(model: nn.Module, image: Tensor, metas: list[dict]) -> dict[str, int]:
    """Multiply-adds of a network input's scores, by the names of :class:`Cost`."""
    found, given = {}, {}
    # What is made of the weights once, such as a ResNet's folded trunk, does not belong to a pass.
    model.extract_feat(image)
    if isinstance(model, TiledInference):
        def read_image() -> None:
            """What is computed once for all windows."""
            given.update(prior=model.prior_of(image, metas), token=model.token_of(image))

        found['other'] = count_flops(read_image) // 2
        scores = count_flops(lambda: model.score_grid(image, metas, **given))
    else:
        scores = count_flops(lambda: model.encode_decode(image, metas))
    # In a pass of its own: the towers are not called as modules, which torch's counter follows.
    features = count_flops(lambda: model.extract_feat(image))
    return {'backbone': features // 2, 'head': (scores - features) // 2, **found}
