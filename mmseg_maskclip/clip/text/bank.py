"""Text banks: the text embeddings of a vocabulary, with the model and prompts behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.clip.checkpoints.weight_files import read_weights_file
from mmseg_maskclip.utils import InputError, atomic_path

_FORMAT = 'mmseg_maskclip text bank 1'
_STORED = ('embeddings', 'class_names', 'row_class', 'row_names', 'clip', 'templates',
           'normalized')
_MAKE = ('Make it with: python tools/maskclip_utils/prompt_engineering.py --model MODEL '
         '--class-set SET')


@dataclass
class TextBank:
    """Text embeddings of classes, with the model and prompts behind them.

    Attributes:
        embeddings: One row per class, or one per synonym (``synonyms='separate'``),
            (R, D) float32.
        class_names: The K classes; empty strings where the file has none
            (a bare tensor).
        row_class: Class of each row, (R,) int64; 0..K-1 by default.
        row_names: The name embedded in each row; class names by default.
        clip: Name of the CLIP model, or None where unknown.
        templates: Name of the template set, or None.
        normalized: Whether every row is L2-normalised.
    """

    embeddings: Tensor
    class_names: tuple[str, ...]
    row_class: Tensor = None  # type: ignore[assignment]  # None is replaced in __post_init__
    row_names: tuple[str, ...] = ()
    clip: Optional[str] = None
    templates: Optional[str] = None
    normalized: bool = True
    source: str = field(default='text bank', compare=False)

    def __post_init__(self) -> None:
        self.class_names = tuple(self.class_names)
        if self.row_class is None:
            self.row_class = torch.arange(len(self.class_names))
        self.row_names = tuple(self.row_names) or self.class_names
        if self.embeddings.dim() != 2 or len(self.embeddings) != len(self.row_class):
            raise InputError(
                f'{self.source} holds embeddings of shape {tuple(self.embeddings.shape)}, '
                f'expected ({len(self.row_class)}, D).')
        if not torch.equal(self.row_class.unique(), torch.arange(len(self.class_names))):
            raise InputError(f'{self.source} lacks rows for some of its '
                             f'{len(self.class_names)} classes.')

    @property
    def width(self) -> int:
        """D, the width of the joint image-text space."""
        return self.embeddings.shape[1]

    def unit(self) -> TextBank:
        """The same bank with every row L2-normalised."""
        return replace(self, embeddings=F.normalize(self.embeddings, dim=1), normalized=True)

    def save(self, path: str | Path) -> None:
        """Write the bank to a file, all of it or nothing.

        Args:
            path: The file.

        Raises:
            InputError: If its folder can't be written.
        """
        with atomic_path(path) as temporary:
            torch.save({
                'format': _FORMAT, 'embeddings': self.embeddings.cpu(),
                'class_names': list(self.class_names), 'row_class': self.row_class.cpu(),
                'row_names': list(self.row_names), 'clip': self.clip,
                'templates': self.templates, 'normalized': self.normalized}, temporary)

    @classmethod
    def load(cls, path: str | Path, shape: tuple[int, int] | None = None) -> TextBank:
        """Read a bank, or a bare (K, D) tensor or array.

        Bare ones are what the earlier tools wrote, and what people compute
        with CLIP's own code: ``.pth``, ``.safetensors`` or ``.npy``, also
        transposed, and alone in a dict.

        Args:
            path: The file.
            shape: (K, D) that is expected, which a bare tensor must have.

        Raises:
            InputError: If it is missing, damaged, of another shape, or something else.
        """
        content, _ = read_weights_file(path, _MAKE, 'text bank')
        bare = _bare(content)
        if bare is not None:
            if shape is not None and bare.shape != shape and bare.shape == shape[::-1]:
                bare = bare.t()
            if shape is not None and bare.shape != shape:
                raise InputError(f'text bank {path} has the shape {tuple(bare.shape)}, expected '
                                 f"{shape}: a row for each class, as wide as CLIP's joint space. "
                                 f'{_MAKE}')
            # The earlier tools wrote embeddings of either kind and did not say which. Files in half
            # precision are off by up to 1e-3, means over prompts by far more than 1e-2.
            bare = bare.detach().float().contiguous()
            unit = bool((bare.norm(dim=1) - 1).abs().max() < 1e-2) if len(bare) else True
            return cls(bare, ('',) * len(bare), normalized=unit, source=f'text bank {path}')
        if not isinstance(content, dict) or content.get('format') != _FORMAT:
            raise InputError(f'{path} is not a text bank: it holds {_describe(content)}, expected '
                             f'a bank or a (K, D) tensor. {_MAKE}')
        missing = [key for key in _STORED if key not in content]
        if missing:
            raise InputError(f'text bank {path} is incomplete: it lacks {", ".join(missing)}. '
                             f'{_MAKE}')
        return cls(**{key: content[key] for key in _STORED}, source=f'text bank {path}')

    def check(self, class_names: Sequence[str] | None = None, width: int | None = None,
              clip: str | None = None) -> TextBank:
        """Return self if the bank is the one a model needs.

        Names and CLIP model are not compared where the file, a bare tensor, has none.

        Args:
            class_names: The K classes, in order.
            width: D.
            clip: Name of the CLIP model.

        Raises:
            InputError: If one of them differs; says how.
        """
        if clip is not None and self.clip is not None and clip != self.clip:
            raise InputError(f'{self.source} was made with CLIP model {self.clip}, '
                             f'expected {clip}. {_MAKE}')
        if width is not None and width != self.width:
            raise InputError(f'{self.source} has embeddings of width {self.width}, expected '
                             f'{width}: it was made with another CLIP model. {_MAKE}')
        if class_names is not None:
            self._check_names(tuple(class_names))
        return self

    def _check_names(self, names: tuple[str, ...]) -> None:
        if len(names) != len(self.class_names):
            raise InputError(f'{self.source} has {len(self.class_names)} classes, expected '
                             f'{len(names)}. {_MAKE}')
        for index, (found, expected) in enumerate(zip(self.class_names, names)):
            if found and found.strip().lower() != expected.strip().lower():
                raise InputError(f"{self.source} has '{found}' as class {index}, expected "
                                 f"'{expected}'. {_MAKE}")


def _bare(content: object) -> Tensor | None:
    """The one matrix that a file holds, None where it holds something else."""
    if isinstance(content, dict) and 'format' not in content and len(content) == 1:
        content = next(iter(content.values()))
    if not isinstance(content, Tensor) or not content.is_floating_point():
        return None
    # Such as (1, K, D), or the weight of a 1x1 convolution.
    while content.dim() > 2 and 1 in (content.shape[0], content.shape[-1]):
        content = content.squeeze(-1) if content.shape[-1] == 1 else content.squeeze(0)
    return content if content.dim() == 2 else None


def _describe(content: object) -> str:
    if isinstance(content, Tensor):
        return f'a tensor of shape {tuple(content.shape)}'
    if isinstance(content, dict):
        return f'a dict with keys {", ".join(list(map(str, content))[:3])}'
    return f'a {type(content).__name__}'
