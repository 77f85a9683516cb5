"""Text embeddings of single names, each encoded once per CLIP file and template set."""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import Iterable, Iterator, NamedTuple, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.clip.checkpoints.activation import fit_activation
from mmseg_maskclip.clip.checkpoints.read import ClipCheckpoint
from mmseg_maskclip.clip.spec import ClipSpec
from mmseg_maskclip.clip.text.build import sum_prompts
from mmseg_maskclip.clip.text.encoder import TextEncoder
from mmseg_maskclip.clip.text.templates import fill_template
from mmseg_maskclip.utils import cache_dir

# Raised whenever the same name would give another embedding than before.
_CACHE_VERSION = 1
_WAIT_S = 60
_LOG = logging.getLogger('mmseg')
_TABLE = ('CREATE TABLE IF NOT EXISTS names (name TEXT NOT NULL, templates TEXT NOT NULL, '
          'value BLOB NOT NULL, PRIMARY KEY (name, templates))')


class Phrase(NamedTuple):
    """A name and the sentences it stands in.

    Attributes:
        name: What takes the place of ``{}``.
        templates: The sentences.
    """

    name: str
    templates: tuple[str, ...]

    @property
    def prompts(self) -> list[str]:
        """The sentences with the name in them."""
        return [fill_template(template, self.name) for template in self.templates]


class NameEncoder:
    """Embeds names with a CLIP text tower that is built when a new name comes.

    Embeddings are kept in memory and in the user's cache folder, by the SHA-256
    of the CLIP file, so that one new name among known ones costs one name.

    Args:
        checkpoint: A CLIP file with the text tower.
        spec: The model it is of.
        device: Where names are encoded.
    """

    def __init__(self, checkpoint: ClipCheckpoint, spec: ClipSpec,
                 device: str | torch.device = 'cpu') -> None:
        self._checkpoint = checkpoint
        self.spec = fit_activation(checkpoint, spec)
        self.device = device
        self._tower: TextEncoder | None = None
        self._known: dict[Phrase, Tensor] = {}
        self._store: _Store | None = None

    @property
    def sha256(self) -> str:
        """Of the CLIP file."""
        return self._checkpoint.sha256

    @property
    def has_tower(self) -> bool:
        """Whether the file has the text tower."""
        return bool(self._checkpoint.text)

    def embed(self, classes: Sequence[Sequence[Phrase]]) -> Tensor:
        """One unit-norm row per class: the mean over the prompts of all its phrases.

        Equal to :func:`build_text_bank` with ``synonyms='mean'``.

        Args:
            classes: The phrases of each class.

        Returns:
            (K, D) float32 on the CPU.

        Raises:
            InputError: If a prompt is too long or has an unknown word, or the
                file has no text tower.
        """
        wanted = dict.fromkeys(phrase for phrases in classes for phrase in phrases)
        self._read(phrase for phrase in wanted if phrase not in self._known)
        self._encode([phrase for phrase in wanted if phrase not in self._known])
        means = [torch.stack([self._known[phrase] for phrase in phrases]).sum(0)
                 / sum(len(phrase.templates) for phrase in phrases) for phrases in classes]
        return F.normalize(torch.stack(means), dim=1).float()

    def _encode(self, phrases: Sequence[Phrase]) -> None:
        if not phrases:
            return
        if self._tower is None:
            self._tower = TextEncoder(self._checkpoint, self.spec).to(self.device)
        prompts = [phrase.prompts for phrase in phrases]
        owner = torch.tensor([number for number, group in enumerate(prompts) for _ in group])
        sums = sum_prompts(self._tower, [one for group in prompts for one in group], owner).cpu()
        found = dict(zip(phrases, sums))
        self._known.update(found)
        self._file().write(found)

    def _read(self, phrases: Iterable[Phrase]) -> None:
        missing = list(phrases)
        if missing:
            self._known.update(self._file().read(missing))

    def _file(self) -> _Store:
        if self._store is None:
            self._store = _Store(_cache_path(self._checkpoint, self.spec), self.spec.embed_dim)
        return self._store


class _Store:
    """Sums of embeddings in an SQLite file; without one where it can't be used."""

    def __init__(self, path: Path, width: int) -> None:
        self.path: Path | None = path
        self.width = width

    def read(self, phrases: Sequence[Phrase]) -> dict[Phrase, Tensor]:
        """Those of some phrases that are stored."""
        found: dict[Phrase, Tensor] = {}
        if self.path is None:
            return found
        try:
            with self._opened(self.path) as file:
                for phrase in phrases:
                    row = file.execute('SELECT value FROM names WHERE name = ? AND templates = ?',
                                       (phrase.name, _hash_of(phrase.templates))).fetchone()
                    if row and len(row[0]) == 8 * self.width:
                        found[phrase] = torch.from_numpy(np.frombuffer(row[0]).copy())
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
        return found

    def write(self, found: dict[Phrase, Tensor]) -> None:
        """Store sums (D,) float64, as far as that is possible."""
        if self.path is None:
            return
        rows = [(phrase.name, _hash_of(phrase.templates), value.numpy().tobytes())
                for phrase, value in found.items()]
        try:
            with self._opened(self.path) as file:
                file.executemany('INSERT OR REPLACE INTO names VALUES (?, ?, ?)', rows)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    @contextmanager
    def _opened(self, path: Path) -> Iterator[sqlite3.Connection]:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = sqlite3.connect(path, timeout=_WAIT_S)
        try:
            with file:
                file.execute(_TABLE)
                yield file
        finally:
            file.close()

    def _give_up(self, error: Exception) -> None:
        _LOG.warning('text embeddings are not cached, %s cannot be used: %s', self.path, error)
        self.path = None


def _hash_of(templates: tuple[str, ...]) -> str:
    return hashlib.sha256(json.dumps(templates).encode()).hexdigest()


def _cache_path(checkpoint: ClipCheckpoint, spec: ClipSpec) -> Path:
    key = json.dumps([_CACHE_VERSION, checkpoint.sha256, spec.activation, repr(spec.text)])
    name = f'{spec.short_name}_{hashlib.sha256(key.encode()).hexdigest()[:24]}.sqlite'
    return cache_dir() / 'names' / name.replace('/', '-')
