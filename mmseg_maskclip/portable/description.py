"""What an exported model says of itself: how pictures are shown to it, and what it gives."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, Callable, Mapping, Optional

from mmseg_maskclip.utils import InputError

LAYOUT = 1
"""Of the description; a file of a later one is refused."""
COSINES, LOGITS, MASKS = KINDS = ('cosines', 'logits', 'masks')
NO_PAD = 'none'
_PADS = ('corner', 'centre', 'drop', NO_PAD)
_MARK = 'maskclip_layout'


@dataclass(frozen=True)
class Description:
    """All that a runner has to know beside the graph.

    The graph takes ``image``, (1, 3, H, W) float32, RGB from 0 to 255, and ``bank``, (R, D) float32
    unit-norm text embeddings; it gives ``scores``, (1, background + R, h, w), and where ``embeds``
    also ``embedding``, CLIP's embedding of the image, (1, D).

    Attributes:
        model: What was exported, by the name it was loaded by.
        clip: The CLIP model whose text embeddings it takes.
        sha256: Of the weights.
        text_sha256: Of the CLIP file whose text tower goes with them; empty if there is none.
        method: How a CLIP ViT is read; ``'student'`` or ``'zegclip'`` for trained models.
        fidelity: Of a CLIP tower.
        width: D.
        kind: What scores are: ``'cosines'``, whose softmax at ``scale`` are probabilities;
            ``'logits'``, whose softmax; ``'masks'``, whose sigmoid at the size of the input.
        scale: Of cosines.
        temperature: Scores are divided by it before that.
        background: Leading scores without a row in the bank, 0 or 1.
        embeds: Whether it gives ``embedding``.
        patch: H and W must be multiples of it; 1 for any.
        pad: How sides become multiples: ``'corner'`` pads at the bottom and on the right,
            ``'centre'`` on all sides, ``'drop'`` cuts off what is over, ``'none'`` takes
            pictures as they are, and none whose sides are below ``least``.
        pad_colour: RGB that is padded with.
        least: The least H and W.
        img_scale: (long, short): a picture is resized so that neither side is longer.
        keep_ratio: Whether it keeps its shape; else it becomes ``long`` x ``short``.
        window: (h, w) of sliding windows; None sees the picture whole.
        stride: Of the windows.
        direct_resize: Scores are resized to the picture at once, not by way of the input.
        align_corners: As in ``torch.nn.functional.interpolate``.
        mean: That the graph subtracts, RGB.
        std: That it divides by.
        versions: Of what exported it.
    """

    model: str
    clip: str
    sha256: str
    method: str
    fidelity: str
    width: int
    text_sha256: str = ''
    kind: str = COSINES
    scale: float = 100.0
    temperature: float = 1.0
    background: int = 0
    embeds: bool = False
    patch: int = 1
    pad: str = 'corner'
    pad_colour: tuple[float, ...] = (0.0, 0.0, 0.0)
    least: int = 1
    img_scale: tuple[int, ...] = (2048, 512)
    keep_ratio: bool = True
    window: Optional[tuple[int, ...]] = None
    stride: Optional[tuple[int, ...]] = None
    direct_resize: bool = False
    align_corners: bool = False
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def test_cfg(self) -> dict[str, Any]:
        """The windows, as mmseg's settings name them."""
        if self.window is None:
            return {'mode': 'whole'}
        return {'mode': 'slide', 'crop_size': self.window, 'stride': self.stride}

    def to_json(self) -> str:
        """As one JSON object."""
        return json.dumps({_MARK: LAYOUT, **dataclasses.asdict(self)})

    def to_metadata(self) -> dict[str, str]:
        """As the properties of an ONNX file: JSON by name."""
        return {name: json.dumps(value) for name, value in json.loads(self.to_json()).items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: str) -> Description:
        """Read what :meth:`to_metadata` wrote.

        Args:
            metadata: Properties of a file; others than these are passed over.
            path: The file, used in errors.

        Raises:
            InputError: If the file was written by something else, or by a later version.
        """
        layout = metadata.get(_MARK)
        if layout != str(LAYOUT):
            what = 'says nothing of the pictures it takes' if layout is None else (
                f'has layout {layout}, expected {LAYOUT}')
            raise InputError(f'{path} {what}: export the model with maskclip export of this '
                             'version.')
        name = ''
        try:
            found = {}
            for name in (one.name for one in dataclasses.fields(cls)):
                found[name] = _immutable(json.loads(metadata[name]))
                if not _VALID[name](found[name]):
                    raise ValueError(f'it is {found[name]!r}')
        except (KeyError, ValueError) as error:
            raise InputError(f'{path} has a damaged description, {name} cannot be used ({error}): '
                             'export the model anew.') from error
        return cls(**found)


def _immutable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not _is_bool(value) and math.isfinite(value)


def _is_factor(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not _is_bool(value) and value > 0


def _all(valid: Callable[[Any], bool], number: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, tuple) and len(value) == number and all(
        map(valid, value))


def _or_none(valid: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or valid(value)


_VALID: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(('model', 'clip', 'sha256', 'text_sha256', 'method', 'fidelity'), _is_text),
    **dict.fromkeys(('width', 'patch', 'least'), _is_size),
    **dict.fromkeys(('scale', 'temperature'), _is_factor),
    **dict.fromkeys(('embeds', 'keep_ratio', 'direct_resize', 'align_corners'), _is_bool),
    **dict.fromkeys(('pad_colour', 'mean'), _all(_is_number, 3)),
    **dict.fromkeys(('window', 'stride'), _or_none(_all(_is_size, 2))),
    'std': _all(_is_factor, 3),
    'img_scale': _all(_is_size, 2),
    'kind': lambda value: value in KINDS,
    'pad': lambda value: value in _PADS,
    'background': lambda value: value in (0, 1),
    'versions': lambda value: isinstance(value, dict)}
