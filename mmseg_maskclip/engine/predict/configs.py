"""Configs of models that are named by no config: a CLIP model, or a checkpoint alone."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Union

from mmcv import Config

from mmseg_maskclip.clip import CheckpointContent, ClipSpec
from mmseg_maskclip.clip.text.templates import TemplateSource
from mmseg_maskclip.engine.config import merge_options, shipped_folder, test_settings
from mmseg_maskclip.engine.heads import OWN_PROTOCOL, compose, require_part
from mmseg_maskclip.engine.overrides.pipelines import transforms_of
from mmseg_maskclip.utils import InputError, require_number, to_plain

MASKCLIP = 'maskclip'
METHODS = tuple(OWN_PROTOCOL)
# Whose settings of a method's own protocol are taken: every protocol has it.
_DATASET = 'voc21'
_SIZE = 512
_LONG_SIDE = 4


@dataclass(frozen=True)
class Settings:
    """How a model is built for predictions.

    Attributes:
        weights: Its checkpoint; None finds that of a CLIP model.
        method: How a CLIP model is read, a file of ``configs/heads/methods``; None is MaskCLIP.
        size: Short side that pictures are resized to, in pixels; the long side has
            four times as many at most. None is what the model is tested with.
        templates: What words are put into; None is what the model is tested with.
        ks_thresh: Key smoothing threshold, 0 is off.
        pd_thresh: Prompt denoising threshold, 0 is off.
        fidelity: Of a CLIP model that is given by its name.
        clip_weights: The CLIP file that encodes words for a trained model.
        options: What ``--cfg-options`` would change in the config.
        precision: That of the forward pass, one of ``ops.precision.PRECISIONS``.
    """

    weights: Union[str, Path, None] = None
    method: Optional[str] = None
    size: Optional[int] = None
    templates: Optional[TemplateSource] = None
    ks_thresh: float = 0.0
    pd_thresh: float = 0.0
    fidelity: str = 'clip'
    clip_weights: Union[str, Path, None] = None
    options: Optional[Mapping[str, Any]] = None
    precision: str = 'fp32'

    def replace(self, **changes: Any) -> Settings:
        """A copy with other values."""
        return dataclasses.replace(self, **changes)

    @property
    def thresholds(self) -> dict[str, float]:
        """Those of the head that are set."""
        found = {'ks_thresh': self.ks_thresh, 'pd_thresh': self.pd_thresh}
        return {name: value for name, value in found.items() if value}


def config_of_clip(spec: ClipSpec, settings: Settings) -> Config:
    """The config that segments with a CLIP model.

    MaskCLIP sees whole pictures; other methods see them as their own protocol
    shows them (short side, windows).

    Args:
        spec: The CLIP model.
        settings: Its method and fidelity.

    Raises:
        InputError: If the method is unknown, or reads a ViT and this is a ResNet, or has
            a fidelity of its own.
    """
    method = require_part('methods', settings.method or MASKCLIP)
    if method != MASKCLIP:
        require_own_fidelity(settings, f'method {method!r}')
        config = compose(method, 'tinyworld' if spec.weights else _DATASET, None, spec.name)
    else:
        config = Config({'model': _maskclip(spec, settings.fidelity),
                         'data': {'test': {'pipeline': _folder_pipeline()}}})
        _set_size(config.data.test.pipeline, _default_size(spec))
    if settings.options:
        merge_options(config, dict(settings.options), f'the config of {spec.name}')
    return config


def _maskclip(spec: ClipSpec, fidelity: str) -> dict:
    tower = {'vit': 'ClipViT', 'resnet': 'ClipResNet'}[spec.kind]
    return {'type': 'MaskClip',
            'backbone': {'type': tower, 'arch': spec.name, 'fidelity': fidelity},
            'decode_head': {'type': 'MaskClipHead', 'num_classes': 1,
                            'text_channels': spec.embed_dim},
            'test_cfg': {'mode': 'whole'}}


def config_of_checkpoint(content: CheckpointContent, settings: Settings) -> Config:
    """The config of a checkpoint that training wrote.

    Of what it records only plain data are read: the config's text is Python
    code, which a checkpoint of somebody else's may hold anything in.

    Args:
        content: The checkpoint.
        settings: Its size.

    Raises:
        InputError: If it does not record its model.
    """
    recorded = content.meta.get('model')
    try:
        model = json.loads(recorded) if isinstance(recorded, str) else None
    except ValueError:
        model = None
    if not isinstance(model, dict):
        raise InputError(f'{content.path} does not record how its model is built: give the config '
                         f'it was trained with, load(CONFIG, weights={str(content.path)!r}).')
    config = Config({'model': model, 'data': {'test': {'pipeline': _folder_pipeline()}}})
    if settings.size is None:
        _set_size(config.data.test.pipeline, _trained_size(content))
    return config


def _trained_size(content: CheckpointContent) -> int:
    """The short side of the crops of a training, where its checkpoint records them."""
    try:
        run = json.loads(content.meta.get('run') or '{}')
    except (TypeError, ValueError):
        return _SIZE
    for step in _steps_in(run):
        crop = step.get('crop_size')
        if step.get('type') == 'RandomCrop' and isinstance(crop, list) and len(crop) == 2:
            return min(crop)
    return _SIZE


def _steps_in(value: Any) -> Iterator[dict]:
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else (
            value if isinstance(value, list) else ()):
        yield from _steps_in(item)


def _default_size(spec: ClipSpec) -> int:
    # The embedded models saw scenes half as large as those they are tested on.
    return 2 * spec.image_size if spec.weights else _SIZE


def _folder_pipeline() -> list:
    base = Config.fromfile(str(shipped_folder('_base_') / 'datasets' / 'image_folder.py'))
    return copy.deepcopy(base.test_pipeline)


def _set_size(steps: list, size: int) -> None:
    for step in transforms_of(steps, 'MultiScaleFlipAug'):
        step['img_scale'] = (_LONG_SIDE * size, size)


def hash_of_config(config: Config) -> str:
    """SHA-256 of a model's settings and its test pipeline: a file may change under its name."""
    parts = to_plain({'model': config.model, 'pipeline': test_settings(config)[0].pipeline})
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def input_steps(settings: Mapping[str, Any], size: Optional[int]) -> list:
    """The steps of a test pipeline behind the reading of a file, a copy.

    Args:
        settings: Of a test set.
        size: Short side of the network's input in pixels, None for that of the pipeline.

    Raises:
        InputError: If the size is not a positive number, or the pipeline no list of steps.
    """
    steps = settings.get('pipeline')
    if not isinstance(steps, (list, tuple)) or not all(
            isinstance(step, Mapping) for step in steps):
        raise InputError(f'data.test.pipeline is {steps!r}, expected a list of steps, such as '
                         "[dict(type='LoadImageFromFile'), ...].")
    steps = [copy.deepcopy(step) for step in steps
             if not str(step.get('type')).startswith('Load')]
    if size is not None:
        _set_size(steps, require_number(size, 'size', minimum=1, whole=True))
    return steps


def require_own_fidelity(settings: Settings, what: str) -> None:
    """Refuse a fidelity that would not be used.

    Args:
        settings: As a user gave them.
        what: What has its own.

    Raises:
        InputError: If another fidelity than the default is asked for.
    """
    if settings.fidelity != Settings.fidelity:
        raise InputError(f'fidelity is {settings.fidelity!r}, which is for MaskCLIP by the name of '
                         f'a CLIP model, and {what} has its own: leave it out, or change it by '
                         "options={'model.backbone.fidelity': ...} (--cfg-options).")
