"""A bank of words for exported models: text embeddings, and what they stand for."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

import numpy as np

from mmseg_maskclip.portable.description import COSINES, MASKS, Description
from mmseg_maskclip.utils import InputError, atomic_path, require_file, require_writable
from mmseg_maskclip.utils.files import PathLike

SUFFIX = '.npz'
DEFAULT = 'default'
"""A contrast set that nobody has chosen: the model's own."""
_LAYOUT = 1
_HINT = 'Make one with maskclip bank.'
# Of half precision.
_ROUNDING = 5e-3
_ARRAYS = ('embeddings', 'row_class', 'offset')
_TEXTS = ('names', 'palette', 'contrast', 'left_out', 'clip', 'sha256', 'templates')


@dataclass(frozen=True)
class WordBank:
    """K words, M contrast words that they compete with, and their text embeddings.

    The file is an ``.npz``: ``embeddings``, ``row_class``, ``offset`` and ``about``, JSON of the
    rest.

    Attributes:
        names: The words; with a background that a student has learned, that is the first.
        palette: RGB of each.
        embeddings: Unit-norm, one row for each word or synonym, (R, D) float32.
        row_class: Word or contrast word of each row, (R,) int64; a background has none.
        contrast: The contrast words, whose ids follow those of the words.
        left_out: Contrast words that are too near to one of the words.
        clip: The CLIP model.
        sha256: Of the file with its text tower; of the checkpoint, where the embeddings are
            that one's.
        templates: What words were put into.
        offset: What is taken from the score of each word before they are compared, (K + M,)
            float32, for masks of seen classes (ZegCLIP); None for nothing.
    """

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    embeddings: np.ndarray
    row_class: np.ndarray
    contrast: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    clip: str = ''
    sha256: str = ''
    templates: Any = None
    offset: Optional[np.ndarray] = None

    @property
    def hash(self) -> str:
        """SHA-256 of the embeddings, and of which word each is of."""
        found = hashlib.sha256(self.embeddings.astype(np.float32).tobytes())
        found.update(self.row_class.astype(np.int64).tobytes())
        if self.offset is not None:
            found.update(self.offset.astype(np.float32).tobytes())
        return found.hexdigest()

    def save(self, path: PathLike) -> Path:
        """Write the file, whole or not at all.

        Args:
            path: ``*.npz``.

        Raises:
            InputError: If it is called otherwise, or can't be written.
        """
        path = require_name(path)
        about = {'layout': _LAYOUT, **{name: getattr(self, name) for name in _TEXTS}}
        offset = np.zeros(0, np.float32) if self.offset is None else self.offset
        content = io.BytesIO()
        np.savez(content, embeddings=self.embeddings.astype(np.float32),
                 row_class=self.row_class.astype(np.int64), offset=offset.astype(np.float32),
                 about=np.array(json.dumps(about, ensure_ascii=False)))
        with atomic_path(path) as temporary:
            temporary.write_bytes(content.getvalue())
        return path

    @classmethod
    def read(cls, path: PathLike) -> WordBank:
        """Read what :meth:`save` wrote.

        Args:
            path: The file.

        Raises:
            InputError: If it is missing, of another kind, or damaged.
        """
        path = require_file(path, 'bank', _HINT)
        try:
            with np.load(path, allow_pickle=False) as file:
                about = json.loads(str(file['about']))
                arrays: dict[str, Any] = {name: file[name] for name in _ARRAYS}
            if about.pop('layout') != _LAYOUT:
                raise InputError(f'bank {path} was written by a later version. {_HINT}')
            texts: dict[str, Any] = {name: _immutable(about[name]) for name in _TEXTS}
        except InputError:
            raise
        # NumPy and zip raise errors of many kinds for damaged content.
        except Exception as error:
            raise InputError(f'{path} is not a bank of words, or damaged. {_HINT}') from error
        if not arrays['offset'].size:
            arrays['offset'] = None
        return cls(**texts, **arrays)._checked(path)

    def _checked(self, path: Path) -> WordBank:
        if not (self._fits_texts() and self._fits_arrays()):
            raise InputError(f'{path} is damaged: its words and embeddings differ. {_HINT}')
        # Also of banks that others have written, in another precision.
        offset = None if self.offset is None else self.offset.astype(np.float32)
        return replace(self, embeddings=self.embeddings.astype(np.float32),
                       row_class=self.row_class.astype(np.int64), offset=offset)

    def _fits_texts(self) -> bool:
        lists = (self.names, self.contrast, self.left_out)
        colours = self.palette if isinstance(self.palette, tuple) else ()
        return (all(isinstance(one, tuple) for one in lists)
                and all(isinstance(text, str) for one in (*lists, (self.clip, self.sha256))
                        for text in one)
                and len(colours) == len(self.names) > 0
                and all(isinstance(colour, tuple) and len(colour) == 3
                        and all(type(value) is int and 0 <= value <= 255 for value in colour)
                        for colour in colours))

    def _fits_arrays(self) -> bool:
        classes, rows = len(self.names) + len(self.contrast), self.row_class
        return (self.embeddings.dtype.kind == 'f' and rows.dtype.kind in 'iu'
                and self.embeddings.ndim == 2 and rows.shape == self.embeddings.shape[:1]
                and rows.size > 0 and rows.min() >= 0 and rows.max() < classes
                and bool(np.isfinite(self.embeddings).all())
                and (self.offset is None or (self.offset.dtype.kind == 'f'
                                             and self.offset.shape == (classes,))))

    def require_fit(self, model: Description, path: str) -> None:
        """Check that a model can take these embeddings.

        Args:
            model: The exported model.
            path: The bank's file, used in errors.

        Raises:
            InputError: If they are of another CLIP model or of other weights, not unit-norm, or
                of a background that it has not learned.
        """
        if self.clip != model.clip or self.embeddings.shape[1] != model.width:
            raise InputError(f'bank {path} holds words of CLIP model {self.clip} with width '
                             f'{self.embeddings.shape[1]}, {model.model} takes those of '
                             f'{model.clip} with width {model.width}: make one with maskclip bank '
                             f'--model {model.clip}.')
        if model.text_sha256 and self.sha256 and (
                self.sha256 not in (model.sha256, model.text_sha256)):
            raise InputError(f'the words of bank {path} were embedded by another file of '
                             f'{model.clip} than the one of {model.model} (SHA-256 '
                             f'{self.sha256[:12]}, expected {model.text_sha256[:12]}): make one '
                             'with maskclip bank of that very model.')
        norms = np.linalg.norm(self.embeddings, axis=1)
        if model.kind == COSINES and np.abs(norms - 1).max() > _ROUNDING:
            raise InputError(f'bank {path} has embeddings of norm {norms.min():.3g} to '
                             f'{norms.max():.3g}, {model.model} expects 1: divide each row by its '
                             'norm.')
        rows = set(self.row_class.tolist())
        wanted = set(range(model.background, len(self.names) + len(self.contrast)))
        if rows != wanted:
            own = (', the first word being its background, which it has learned'
                   if model.background else '')
            raise InputError(f'bank {path} has embeddings of {len(rows)} words, {model.model} '
                             f'expects those of {len(wanted)}{own}: make it with maskclip bank of '
                             'that very model.')
        if self.offset is not None and model.kind != MASKS:
            raise InputError(f'bank {path} is of a ZegCLIP, {model.model} is not one: make '
                             'one with maskclip bank of that very model.')


def require_name(path: PathLike) -> Path:
    """Where a bank is to be written.

    Args:
        path: The file.

    Raises:
        InputError: If its name does not end in ``.npz``, or it can't be written.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise InputError(f'the bank is to be {path}, expected a name that ends in {SUFFIX}.')
    return require_writable(path, 'bank')


def _immutable(value: Any) -> Any:
    return tuple(map(_immutable, value)) if isinstance(value, list) else value
