"""A bank of words for exported models: text embeddings, and what they stand for."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

import numpy as np

from mmseg_maskclip.portable.description import MASKS, Description
from mmseg_maskclip.utils import InputError, atomic_path, require_file
from mmseg_maskclip.utils.files import PathLike

SUFFIX = '.npz'
DEFAULT = 'default'
"""A contrast set that nobody has chosen: the model's own."""
_LAYOUT = 1
_HINT = 'Make one with maskclip bank.'
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
        except (OSError, ValueError, KeyError, AttributeError, TypeError, EOFError,
                zipfile.BadZipFile) as error:
            raise InputError(f'{path} is not a bank of words, or damaged. {_HINT}') from error
        if not arrays['offset'].size:
            arrays['offset'] = None
        return cls(**texts, **arrays)._checked(path)

    def _checked(self, path: Path) -> WordBank:
        classes = len(self.names) + len(self.contrast)
        rows = self.row_class
        fits = (self.embeddings.ndim == 2 and rows.shape == self.embeddings.shape[:1]
                and len(self.palette) == len(self.names) and rows.size > 0
                and rows.min() >= 0 and rows.max() < classes
                and np.isfinite(self.embeddings).all()
                and (self.offset is None or self.offset.shape == (classes,)))
        if not fits:
            raise InputError(f'{path} is damaged: its words and embeddings differ. {_HINT}')
        return self

    def require_fit(self, model: Description, path: str) -> None:
        """Check that a model can take these embeddings.

        Args:
            model: The exported model.
            path: The bank's file, used in errors.

        Raises:
            InputError: If they are of another CLIP model, or of a background that it has not
                learned.
        """
        if self.clip != model.clip or self.embeddings.shape[1] != model.width:
            raise InputError(f'bank {path} holds words of CLIP model {self.clip} with width '
                             f'{self.embeddings.shape[1]}, {model.model} takes those of '
                             f'{model.clip} with width {model.width}: make one with maskclip bank '
                             f'--model {model.clip}.')
        rows = set(self.row_class.tolist())
        wanted = set(range(model.background, len(self.names) + len(self.contrast)))
        if rows != wanted:
            raise InputError(f'bank {path} has embeddings of {len(rows)} words, {model.model} '
                             f'expects {len(wanted)}: make it with maskclip bank of that very '
                             'model.')
        if self.offset is not None and model.kind != MASKS:
            raise InputError(f'bank {path} is of a ZegCLIP, {model.model} is not one: make '
                             'one with maskclip bank of that very model.')


def require_name(path: PathLike) -> Path:
    """Where a bank is to be written.

    Args:
        path: The file.

    Raises:
        InputError: If its name does not end in ``.npz``.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise InputError(f'the bank is to be {path}, expected a name that ends in {SUFFIX}.')
    return path


def _immutable(value: Any) -> Any:
    return tuple(map(_immutable, value)) if isinstance(value, list) else value
