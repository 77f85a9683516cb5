"""What comes out: labels of a picture, and what can be done with them."""

from __future__ import annotations

import copy
import functools
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Mapping, Optional, Sequence

import numpy as np

from mmseg_maskclip.formats import (
    LabelledPicture,
    coco_of,
    cvat_of,
    label_studio_of,
    labelme_of,
    write_formats,
)
from mmseg_maskclip.formats.picture import none_value
from mmseg_maskclip.portable.labelled import Again, Labelled, Readable, require_threshold
from mmseg_maskclip.utils import InputError

if TYPE_CHECKING:
    from PIL import Image

_ROWS = 256


class Segmentation:
    """Labels of one picture, at its own size.

    Attributes:
        names: K words.
        palette: RGB of each.
        picture: The picture, (H, W, 3) uint8, RGB.
        path: Its file, or None.
        name: What its label files are called: by default as its file; no two of
            ``predict_many`` have one name.
        threshold: Pixels of a lower confidence are none of the words.
        confidence: Probability of the best word of each pixel, among words and
            contrast set, (H, W) float32; also where none of the words was chosen.
        presence: Whether each word is in the picture at all, as CLIP judges the
            whole: its probability beside the contrast set, not calibrated; None
            without a contrast set.
        settings: All that made it.
    """

    def __init__(self, found: Labelled, names: Sequence[str], palette: Sequence,
                 picture: np.ndarray, path: Optional[str], threshold: float,
                 settings: Mapping[str, Any], presence: Optional[Mapping[str, float]],
                 read: Callable[[], Readable], name: Optional[str] = None) -> None:
        self._found = found
        self.names = tuple(names)
        self.palette = tuple((int(red), int(green), int(blue)) for red, green, blue in palette)
        self.picture = picture
        self.path = path
        self.name = name or (Path(path).stem if path else 'picture')
        self.threshold = threshold
        self.settings = {**settings, 'threshold': threshold}
        self.presence = None if presence is None else dict(presence)
        self._read = Again(read)

    def __repr__(self) -> str:
        height, width = self.confidence.shape
        found = ', '.join(f'{name} {area / (height * width):.0%}'
                          for name, area in self.areas.items() if area)
        return f'<Segmentation {self.path or "picture"} {width} x {height}: {found or "nothing"}>'

    @property
    def none(self) -> int:
        """The label of pixels that are none of the words: 255, or 65535 above 254 words."""
        return none_value(len(self.names))

    @property
    def confidence(self) -> np.ndarray:
        """See the class."""
        return self._found.confidence

    @functools.cached_property
    def labels(self) -> np.ndarray:
        """Index of each pixel's word, :attr:`none` elsewhere, (H, W) uint8 or uint16."""
        if not self.threshold:
            return self._found.labels
        unsure = self._found.confidence < self.threshold
        return np.where(unsure, self._found.labels.dtype.type(self.none), self._found.labels)

    @functools.cached_property
    def _sums(self) -> tuple[np.ndarray, np.ndarray]:
        """Pixels of each label, and the best confidence among them."""
        counts, best = np.zeros(self.none + 1, np.int64), np.zeros(self.none + 1, np.float32)
        # Both work on indices of 8 bytes a pixel: of some rows at a time.
        for top in range(0, len(self.labels), _ROWS):
            labels = self.labels[top:top + _ROWS].ravel()
            counts += np.bincount(labels, minlength=len(counts))
            np.maximum.at(best, labels, self.confidence[top:top + _ROWS].ravel())
        return counts[:len(self.names)], best[:len(self.names)]

    @property
    def areas(self) -> dict[str, int]:
        """Pixels of each word."""
        return dict(zip(self.names, self._sums[0].tolist()))

    @property
    def best_confidence(self) -> dict[str, float]:
        """The best confidence among the pixels of each word; 0 where it has none."""
        return dict(zip(self.names, self._sums[1].tolist()))

    @property
    def scores(self) -> np.ndarray:
        """Probability of each word, (K, H, W) float32; computed when it is asked for."""
        return self._read().probabilities()

    def masks(self, threshold: float = 0.5) -> dict[str, np.ndarray]:
        """One mask per word, each word alone against the contrast set; they may overlap.

        Args:
            threshold: The least probability of the word among itself and the contrast
                set; without one, among all words.

        Returns:
            (H, W) bool by name.
        """
        require_threshold(threshold)
        return dict(zip(self.names, self._read().alone(threshold)))

    def mask(self, name: str) -> np.ndarray:
        """The pixels of one word, (H, W) bool.

        Args:
            name: One of :attr:`names`.

        Raises:
            InputError: If it is none of them.
        """
        if name not in self.names:
            raise InputError(f'there is no mask of {name!r}, expected one of '
                             f'{", ".join(self.names)}.')
        return self.labels == self.names.index(name)

    def rethreshold(self, threshold: float) -> Segmentation:
        """The same picture with another threshold.

        Args:
            threshold: Pixels of a lower confidence are none of the words.

        Raises:
            InputError: If it is outside [0, 1].
        """
        require_threshold(threshold)
        other = copy.copy(self)
        for name in ('labels', '_sums'):
            other.__dict__.pop(name, None)
        other.threshold = threshold
        other.settings = {**self.settings, 'threshold': threshold}
        return other

    def overlay(self, opacity: float = 0.5, legend: bool = True) -> Image.Image:
        """The labels over the picture.

        Args:
            opacity: Of the labels, in (0, 1].
            legend: Whether to name the words that are there, below.

        Raises:
            InputError: If the opacity is outside (0, 1].
        """
        from PIL import Image

        from mmseg_maskclip.visualization.overlay import add_legend, classes_present, overlay

        drawn = overlay(self.picture[:, :, ::-1], self.labels, self.palette, opacity)
        # None of the words: the picture as it is.
        plain = self.labels == self.none
        drawn[plain] = self.picture[plain][:, ::-1]
        if legend:
            present = classes_present(self.labels, len(self.names))
            drawn = add_legend(drawn, present, self.names, self.palette)
        return Image.fromarray(drawn[:, :, ::-1])

    def _repr_png_(self) -> bytes:
        """How a notebook shows it."""
        content = io.BytesIO()
        self.overlay().save(content, format='PNG')
        return content.getvalue()

    def to_picture(self, file_name: str | None = None) -> LabelledPicture:
        """What formats are written from.

        Args:
            file_name: What to call the picture; by default its file's name.
        """
        if file_name is None:
            file_name = Path(self.path).name if self.path else ''
        return LabelledPicture(file_name, self.labels, self.names, self.palette,
                               tuple(self.best_confidence.values()))

    def to_coco(self) -> dict:
        """COCO annotations, one for each word that is there."""
        return coco_of(self.to_picture())

    def to_labelme(self) -> dict:
        """The content of a LabelMe file."""
        return labelme_of(self.to_picture())

    def to_cvat(self) -> str:
        """XML, CVAT for images 1.1."""
        return cvat_of([self.to_picture()])

    def to_labelstudio(self) -> dict:
        """A Label Studio task with a prediction."""
        return label_studio_of(self.to_picture())

    def save(self, folder: str | Path, formats: Sequence[str] = ('png',),
             overlay: bool = False, name: str | None = None) -> list[Path]:
        """Write label files.

        Args:
            folder: Where to; ``annotations/NAME.png`` and so on below it.
            formats: Of ``'png'``, ``'coco'``, ``'labelme'``, ``'cvat'``, ``'labelstudio'``.
            overlay: Whether to write ``overlay/NAME.png`` as well.
            name: What to call the files, by default :attr:`name`.

        Returns:
            The files.

        Raises:
            InputError: If a format is unknown or a file can't be written.
        """
        name = self.name if name is None else name
        written = write_formats(folder, name, self.to_picture(), formats, self.path)
        if overlay:
            from mmseg_maskclip.utils import atomic_path

            path = Path(folder) / 'overlay' / f'{name}.png'
            with atomic_path(path) as temporary:
                self.overlay().save(temporary)
            written.append(path)
        return written
