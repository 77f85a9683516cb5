"""Any picture, any words: load a model once, then ask it as often as wanted."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable, Iterator, Optional, Sequence, Union

import numpy as np
import torch

from mmseg_maskclip.apis.segmentation import Segmentation
from mmseg_maskclip.clip import ClipSpec
from mmseg_maskclip.engine.distributed import ProcessGroup
from mmseg_maskclip.engine.precision import require_precision
from mmseg_maskclip.engine.predict.ahead import Groups, Prepared, prepared_ahead
from mmseg_maskclip.engine.predict.build import build, record_of
from mmseg_maskclip.engine.predict.calibrate import fit_on_pictures
from mmseg_maskclip.engine.predict.classify import Places, Reading, presence
from mmseg_maskclip.engine.predict.configs import Settings
from mmseg_maskclip.engine.predict.contrast import DEFAULT, NEAR, Contrast, contrast_words
from mmseg_maskclip.engine.predict.encode import EncodedView, encode, prepare
from mmseg_maskclip.engine.predict.vocabulary import Classes, Vocabularies
from mmseg_maskclip.engine.predict.words import Words
from mmseg_maskclip.ops.precision import running_in
from mmseg_maskclip.portable.labelled import require_threshold
from mmseg_maskclip.portable.pictures import MAX_PIXELS, Picture, Source, read_picture
from mmseg_maskclip.utils import TooSmallError, progress_bar, require_number

if TYPE_CHECKING:
    # Not before what silences its remarks on import.
    from mmcv import Config

_LOG = logging.getLogger('mmseg')
Pictures = Union[Source, Iterable[Source]]


class Predictor:
    """A model in evaluation mode; made by :func:`load`.

    Attributes:
        spec: The CLIP model behind its text embeddings.
        device: Where it runs.
        names: The classes it was trained for, or those of its config; None where
            words must be given.
        temperature: Scores are divided by it before confidences are computed; 1
            until :meth:`calibrate` fits one.
    """

    def __init__(self, model: str | Path | Config, settings: Settings, device: torch.device,
                 contrast: Contrast = DEFAULT, contrast_limit: float = NEAR,
                 max_pixels: int = MAX_PIXELS) -> None:
        self._precision = require_precision(settings.precision, device, 'precision')
        built = build(model, settings, device)
        self.spec: ClipSpec = built.spec
        self.device = device
        self.names = built.names
        self.temperature = 1.0
        self._contrast = contrast
        self._max_pixels = max_pixels
        self._built = built
        self._vocabularies = Vocabularies(built, contrast_limit)
        self._options = {'precision': self._precision, 'contrast_limit': contrast_limit,
                         'options': dict(settings.options or {}),
                         'clip_weights': settings.clip_weights and str(settings.clip_weights)}

    @property
    def processes(self) -> ProcessGroup:
        """Those that share the files of a run."""
        return ProcessGroup()

    @property
    def settings(self) -> dict[str, Any]:
        """What made the model: its file with the SHA-256, method, templates, and so on."""
        return record_of(self._built, {**self._options, 'temperature': self.temperature})

    @property
    def contrast(self) -> tuple[str, ...]:
        """The words that a user's words compete with."""
        found = contrast_words(self._contrast, self.spec)
        return () if found is None else found.names

    def encode(self, picture: Source) -> EncodedPicture:
        """Read a picture once, to be classified as often as wanted.

        Args:
            picture: A path, a PIL image, an RGB array (H, W, 3), a tensor (3, H, W),
                or the content of a file.

        Raises:
            InputError: If it can't be read or is too large.
        """
        read = read_picture(picture, self._max_pixels)
        return self._encoded([Prepared(read, prepare(self._built.pipeline, read))])[0]

    def predict(self, picture: Source, words: Words | None = None, *, threshold: float = 0.0,
                contrast: Contrast = DEFAULT) -> Segmentation:
        """Segment a picture into words.

        Args:
            picture: As for :meth:`encode`.
            words: A list (``'road; street'`` has synonyms), a dict of prompts by name
                (``{}`` in a prompt is the name), a file with one name a line, or the
                name of a published set; None for the model's own classes.
            threshold: Pixels of a lower confidence are none of the words.
            contrast: What the words compete with here; None for nothing.

        Raises:
            InputError: If the picture can't be read, or the words are of no known form
                or can't be embedded.
        """
        classes = self._classes(words, contrast, threshold)
        return self._classify(self.encode(picture), classes, threshold)

    def predict_many(self, pictures: Pictures, words: Words | None = None, *,
                     threshold: float = 0.0, contrast: Contrast = DEFAULT, batch_size: int = 1,
                     progress: bool = True,
                     skipped: list[tuple[str, str]] | None = None) -> Iterator[Segmentation]:
        """Segment many pictures, one after the other; the next ones are read meanwhile.

        Args:
            pictures: Files, folders, patterns, what :meth:`encode` takes, or some of
                these in any iterable; a generator is read as far as is needed.
            words: As in :meth:`predict`.
            threshold: As there.
            contrast: As there.
            batch_size: Pictures in a row whose network inputs have one size and go
                through the model together.
            progress: Whether to show a progress bar.
            skipped: Gets (path, why) of each file that can't be read; these are
                named in the log and left out.

        Raises:
            InputError: If there are no pictures, or as :meth:`predict`.
        """
        require_number(batch_size, 'batch_size', minimum=1, whole=True)
        classes = self._classes(words, contrast, threshold)
        groups = prepared_ahead(pictures, self._built.pipeline, self._max_pixels, batch_size,
                                self.device)
        return self._predict_many(groups, classes, threshold, progress,
                                  [] if skipped is None else skipped)

    def _predict_many(self, groups: Groups, classes: Classes, threshold: float, progress: bool,
                      skipped: list[tuple[str, str]]) -> Iterator[Segmentation]:
        with progress_bar(groups.total, 'pictures', 'picture', shown=progress) as bar:
            for group in groups:
                for path, reason in group.unreadable:
                    _LOG.warning('left out: %s', reason)
                    skipped.append((path, reason))
                try:
                    read = self._encoded(group.pictures)
                except TooSmallError as error:
                    read = []
                    for one in group.pictures:
                        path = one.picture.path or 'a picture'
                        _LOG.warning('left out: %s: %s', path, error)
                        skipped.append((path, str(error)))
                for encoded in read:
                    yield self._classify(encoded, classes, threshold)
                bar.update(len(group.pictures) + len(group.unreadable))

    def calibrate(self, pictures: Sequence[Source], labels: Sequence[Any],
                  words: Words | None = None, *, contrast: Contrast = DEFAULT) -> float:
        """Fit the temperature by which confidences are right as often as they say.

        Args:
            pictures: A few pictures.
            labels: Their label maps, files or arrays (H, W): indices of the words;
                other values don't count.
            words: As in :meth:`predict`.
            contrast: As there.

        Returns:
            The temperature, which this model uses from now on.

        Raises:
            InputError: If there are none, sizes differ, or the model's scores are no
                probabilities of exclusive classes (ZegCLIP).
        """
        classes = self._classes(words, contrast, 0.0)
        readings = ((encoded.picture, self._reading(encoded, classes, 1.0))
                    for encoded in map(self.encode, pictures))
        self.temperature = fit_on_pictures(self._built.model, readings, labels, len(pictures))
        return self.temperature

    def _classes(self, words: Words | None, contrast: Contrast, threshold: float) -> Classes:
        require_threshold(threshold)
        if isinstance(contrast, str) and contrast == DEFAULT:
            contrast = self._contrast
        return self._vocabularies.classes(words, contrast)

    def _encoded(self, pictures: Sequence[Prepared]) -> list[EncodedPicture]:
        if not pictures:
            return []
        with running_in(self._precision, self.device):
            views = encode(self._built.model, [one.sample for one in pictures], self.device)
        return [EncodedPicture(self, one.picture, found)
                for one, found in zip(pictures, views)]

    def _reading(self, encoded: EncodedPicture, classes: Classes, temperature: float,
                 places: Optional[Places] = None) -> Reading:
        with self._vocabularies.lock:
            self._vocabularies.set(classes)
            with running_in(self._precision, self.device):
                return Reading(self._built.model, encoded.views, len(classes.names), temperature,
                               places)

    def _classify(self, encoded: EncodedPicture, classes: Classes,
                  threshold: float, places: Optional[Places] = None) -> Segmentation:
        temperature, picture = self.temperature, encoded.picture

        def read() -> Reading:
            """Scores of the words, once more."""
            return self._reading(encoded, classes, temperature, places)

        if places is not None:
            picture = picture[np.ix_(*places)]
        found = read().label()
        names = len(classes.names) - self._built.model.decode_head.background
        seen = presence(encoded.views, classes.bank, names)
        settings = {**self.settings, 'temperature': temperature,
                    'calibrated': temperature != 1, 'text_sha256': classes.text_sha256,
                    'words': list(classes.names),
                    'contrast': list(classes.contrast),
                    'contrast_left_out': list(classes.left_out)}
        return Segmentation(
            found, classes.names, classes.palette, picture, encoded.path, threshold,
            settings, None if seen is None else dict(zip(classes.names[-names:], seen)), read,
            encoded.name)


class EncodedPicture:
    """What a model has read of a picture; other words need no other forward pass.

    Attributes:
        picture: The picture, (H, W, 3) uint8, RGB.
        path: Its file, or None.
        name: What its label files are called, or None.
        views: Features of each augmentation.
    """

    def __init__(self, predictor: Predictor, picture: Picture,
                 views: Sequence[EncodedView]) -> None:
        self.picture: np.ndarray = picture.rgb
        self.path, self.name = picture.path, picture.name
        self.views = views
        self._predictor = predictor

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the picture."""
        return self.picture.shape[0], self.picture.shape[1]

    def classify(self, words: Words | None = None, *, threshold: float = 0.0,
                 contrast: Contrast = DEFAULT,
                 places: Optional[Places] = None) -> Segmentation:
        """Segment the picture into words.

        Args:
            words: As in :meth:`Predictor.predict`.
            threshold: As there.
            contrast: As there.
            places: Rows and columns whose pixels are labelled, the others being left
                out, such as those that a screen shows; None for all.

        Raises:
            InputError: As there.
        """
        predictor = self._predictor
        classes = predictor._classes(words, contrast, threshold)
        return predictor._classify(self, classes, threshold, places)
