"""Predictions of an exported model, without torch and mmcv."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Optional, Union

from mmseg_maskclip.apis.segmentation import Segmentation
from mmseg_maskclip.portable.bank import DEFAULT, WordBank
from mmseg_maskclip.portable.exported import ExportedModel, presence
from mmseg_maskclip.portable.labelled import require_threshold
from mmseg_maskclip.portable.pictures import MAX_PIXELS, Source, read_picture
from mmseg_maskclip.portable.processes import OneProcess
from mmseg_maskclip.portable.sources import Named, is_path, named_pictures
from mmseg_maskclip.utils import InputError, progress_bar, sha256_of
from mmseg_maskclip.utils.files import PathLike

if TYPE_CHECKING:
    from mmseg_maskclip.apis.predictor import Pictures

_LOG = logging.getLogger('mmseg')


def load_exported(model: PathLike, bank: Union[PathLike, WordBank], *,
                  max_pixels: int = MAX_PIXELS, threads: Optional[int] = None
                  ) -> ExportedPredictor:
    """A model that ``maskclip export`` wrote, and the words of a bank.

    Args:
        model: The ONNX file.
        bank: What ``maskclip bank`` wrote, or a bank that was read.
        max_pixels: The most pixels a picture may have.
        threads: How many ONNX Runtime uses; None for all cores.

    Raises:
        InputError: If a file is missing or damaged, or they don't fit each other.
    """
    loaded = ExportedModel(model, threads)
    words = bank if isinstance(bank, WordBank) else WordBank.read(bank)
    words.require_fit(loaded.description, 'given' if isinstance(bank, WordBank) else str(bank))
    return ExportedPredictor(loaded, words, max_pixels)


class ExportedPredictor:
    """An exported model and its words; made by :func:`load_exported`.

    Attributes:
        model: The exported model.
        bank: The words, and what they compete with.
        processes: One: exported models share no files.
    """

    processes = OneProcess()

    def __init__(self, model: ExportedModel, bank: WordBank, max_pixels: int) -> None:
        self.model = model
        self.bank = bank
        self._max_pixels = max_pixels
        self._sha256: Optional[str] = None

    @property
    def names(self) -> tuple[str, ...]:
        """The words."""
        return self.bank.names

    @property
    def contrast(self) -> tuple[str, ...]:
        """The words that they compete with."""
        return self.bank.contrast

    @property
    def settings(self) -> dict[str, Any]:
        """What made the model: the description in its file, and that file's own SHA-256."""
        if self._sha256 is None:
            self._sha256 = sha256_of(self.model.path)
        about = asdict(self.model.description)
        return {**about, 'exported_sha256': self._sha256, 'text_sha256': self.bank.sha256,
                'templates': self.bank.templates}

    def deciding(self, words: None, contrast: str) -> dict[str, Any]:
        """All that decides about results but the pictures and the threshold.

        Args:
            words: None: they are those of the bank.
            contrast: ``'default'``: it is in the bank, too.

        Raises:
            InputError: If something else is asked for.
        """
        if words is not None or contrast != DEFAULT:
            raise InputError('an exported model takes its words and contrast words from its bank: '
                             'make another one with maskclip bank.')
        bank = self.bank
        return {'model': self.settings, 'words': bank.names, 'palette': bank.palette,
                'contrast_set': bank.contrast, 'embeddings': bank.hash}

    def predict(self, picture: Source, *, threshold: float = 0.0) -> Segmentation:
        """Segment a picture into the words of the bank.

        Args:
            picture: As for ``Predictor.encode``.
            threshold: Pixels of a lower confidence are none of the words.

        Raises:
            InputError: If the picture can't be read.
        """
        require_threshold(threshold)
        read, bank = read_picture(picture, self._max_pixels), self.bank
        reading, embeddings = self.model.read(read.rgb, bank, read.path or 'the picture')
        description = self.model.description
        settings = {**self.settings, 'calibrated': description.temperature != 1,
                    'words': list(bank.names), 'contrast': list(bank.contrast),
                    'contrast_left_out': list(bank.left_out)}
        return Segmentation(
            reading.label(), bank.names, bank.palette, read.rgb, read.path, threshold, settings,
            presence(embeddings, bank, description.scale), lambda: reading, read.name)

    def predict_many(self, pictures: Pictures, words: None = None, *, threshold: float = 0.0,
                     contrast: str = DEFAULT, batch_size: int = 1, progress: bool = True,
                     skipped: Optional[list[tuple[str, str]]] = None) -> Iterator[Segmentation]:
        """Segment many pictures, one after the other, as ``Predictor.predict_many`` does.

        Args:
            pictures: As there.
            words: None: they are those of the bank.
            threshold: As there.
            contrast: ``'default'``: it is in the bank, too.
            batch_size: 1: the graph takes one image.
            progress: As there.
            skipped: As there.

        Raises:
            InputError: If there are no pictures, or something else is asked for.
        """
        self.deciding(words, contrast)
        if batch_size != 1:
            raise InputError(f'batch_size is {batch_size}, an exported model takes one picture at '
                             'a time: leave it out.')
        require_threshold(threshold)
        return self._predict_many(*named_pictures(pictures), threshold, progress,
                                  [] if skipped is None else skipped)

    def _predict_many(self, sources: Iterable[Named], total: Optional[int], threshold: float,
                      progress: bool, skipped: list[tuple[str, str]]) -> Iterator[Segmentation]:
        with progress_bar(total, 'pictures', 'picture', shown=progress) as bar:
            for source, name in sources:
                try:
                    picture = replace(read_picture(source, self._max_pixels), name=name)
                    found = self.predict(picture, threshold=threshold)
                except InputError as error:
                    _LOG.warning('left out: %s', error)
                    skipped.append((os.fspath(source) if is_path(source) else 'a picture',
                                    str(error)))
                else:
                    yield found
                bar.update(1)
