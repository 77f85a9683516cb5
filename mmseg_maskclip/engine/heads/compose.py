"""A whole config from a method, a protocol, a data set and a CLIP model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmcv import Config

from mmseg_maskclip.clip import ClipSpec, get_spec
from mmseg_maskclip.engine.heads.parts import (
    choose_protocol,
    leaf_of,
    read_model,
    read_part,
    read_protocol,
    require_part,
)
from mmseg_maskclip.engine.unread import READ
from mmseg_maskclip.models.refiners.refiners import ORDER
from mmseg_maskclip.utils import InputError, atomic_path


@dataclass(frozen=True)
class Composition:
    """What a config is composed of.

    Attributes:
        method: A file of ``configs/heads/methods``.
        protocol: A file of ``configs/heads/protocols``.
        dataset: A file of ``configs/heads/datasets``.
        clip: Name of a CLIP model with a ViT.
    """

    method: str
    protocol: str
    dataset: str
    clip: str

    @property
    def name(self) -> str:
        """Name of the work dir, such as ``heads_naclip_sclip_voc21_vit16``."""
        short = get_spec(self.clip).short_name.lower().replace('/', '-')
        return f'heads_{self.method}_{self.protocol}_{self.dataset}_{short}'

    @property
    def record(self) -> dict[str, str]:
        """What is recorded with a result: these names, and the file of the method's settings."""
        leaf = leaf_of(self.method, self.dataset)
        return {**asdict(self), 'settings': 'configs/heads/' + (
            f'methods/{self.method}.py' if leaf is None else leaf.name)}

    @property
    def flags(self) -> str:
        """The flags of ``maskclip test`` that compose it."""
        return (f'--method {self.method} --protocol {self.protocol} --dataset {self.dataset} '
                f'--clip {self.clip}')


def choose(method: str, dataset: str, protocol: str | None = None,
           clip: str = 'ViT-B/16') -> Composition:
    """Check what is to be composed.

    Args:
        method: As in :func:`compose`.
        dataset: As there.
        protocol: As there.
        clip: As there.

    Raises:
        InputError: If a name is unknown, the protocol does not have the data
            set, or the CLIP model is a ResNet.
    """
    require_part('methods', method)
    require_part('datasets', dataset)
    if protocol is not None:
        require_part('protocols', protocol)
    protocol = choose_protocol(method, dataset, protocol)
    spec = get_spec(clip)
    if spec.kind != 'vit':
        raise InputError(f'method {method!r} reads a ViT, CLIP model {spec.name} is a ResNet: take '
                         'a ViT, such as ViT-B/16.')
    return Composition(method, protocol, dataset, spec.name)


def compose(method: str, dataset: str, protocol: str | None = None,
            clip: str = 'ViT-B/16') -> Config:
    """A config that tests a training-free method by a protocol on a data set.

    Args:
        method: Name of a method, a file of ``configs/heads/methods``.
        dataset: Name of a data set, a file of ``configs/heads/datasets``.
        protocol: Whose input size, windows, thresholds and class names, a file
            of ``configs/heads/protocols``; None is the method's own.
        clip: Name of a CLIP model with a ViT.

    Returns:
        A config with ``model`` and ``data``, as from a file.

    Raises:
        InputError: As :func:`choose`.
    """
    return config_of(choose(method, dataset, protocol, clip))


def config_of(chosen: Composition) -> Config:
    """The config of a composition.

    Args:
        chosen: Output of :func:`choose`.
    """
    base = read_part('datasets', chosen.dataset)
    row = read_protocol(chosen.protocol, chosen.dataset)
    for part in (base.data.val, base.data.test):
        part.pipeline = row.pipeline
    runtime = {key: value for key, value in base.items() if key in READ}
    # A Config copies all that it is made of.
    return Config({'model': _model(chosen, base, row), **runtime})


def _model(chosen: Composition, base: Any, row: Any) -> Any:
    """The method's settings, with what data set, protocol and CLIP model say."""
    spec = get_spec(chosen.clip)
    model = read_model(chosen.method, chosen.dataset)
    # A file for one data set has taken a protocol into these two.
    method = read_part('methods', chosen.method).model
    model.test_cfg = {**method.test_cfg, **row.test_cfg}
    _set_refiners(model, [*method.get('refine', ()),
                          *([row.background] if 'background' in row else ())])
    _set_tower(model, spec)
    model.decode_head.update(num_classes=base.num_classes, text_channels=spec.embed_dim,
                             vocabulary=row.get('vocabulary', base.vocabulary))
    if 'feedback' in model:
        model.feedback.logit_scale = row.background.scale if 'background' in row else row.scale
    return model


def _set_refiners(model: Any, refiners: list) -> None:
    """Put refiners into the order they work in."""
    order = [kind.__name__ for kind in ORDER]
    model.pop('refine', None)
    if refiners:
        model.refine = sorted(refiners, key=lambda refiner: order.index(refiner.type))


def _set_tower(model: Any, spec: ClipSpec) -> None:
    model.backbone.arch = spec.name
    readout = model.backbone.readout
    if readout.type == 'DualPathReadout':
        # The embedded towers have fewer blocks than the published path runs along.
        readout.blocks = min(readout.blocks, spec.layers)


def save_config(config: Config, path: str, title: str) -> None:
    """Write a config as a file that runs alone.

    Args:
        config: The config.
        path: A new file, ``*.py``.
        title: Its first line, a comment.

    Raises:
        InputError: If the name ends otherwise, or there is such a file.
    """
    if Path(path).suffix != '.py':
        raise InputError(f'--save-config is {path}, expected a name ending in .py.')
    if Path(path).exists():
        raise InputError(f'--save-config {path} is there already, and may have been edited: give '
                         'another name, or remove it.')
    with atomic_path(path) as name:
        name.write_text(f'# {title}\n{config.pretty_text}', encoding='utf-8')
