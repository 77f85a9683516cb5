"""Label maps drawn over their picture, with a legend of what is there."""

from __future__ import annotations

from typing import Sequence

import cv2
import numpy as np

from mmseg_maskclip.utils import require_number

_ROW = 22
_SWATCH = 14
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_SCALE = 0.45
_SMALLEST_SHARE = 0.001


def colour_map(labels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Colours of a label map.

    Args:
        labels: Class ids, (H, W); ids outside the palette stay black.
        palette: RGB per class, (K, 3).

    Returns:
        (H, W, 3) uint8, BGR.
    """
    # As large as the label type, so that 255 and other ids outside the palette are black.
    table = np.zeros((256 if len(palette) <= 256 else 65536, 3), dtype=np.uint8)
    table[:len(palette)] = np.asarray(palette, dtype=np.uint8)[:, ::-1]
    return table[np.clip(labels, 0, len(table) - 1)]


def overlay(picture: np.ndarray, labels: np.ndarray, palette: Sequence,
            opacity: float = 0.5) -> np.ndarray:
    """Blend a label map over its picture.

    Args:
        picture: (H, W, 3) uint8, BGR.
        labels: Class ids, (H, W).
        palette: RGB per class, (K, 3).
        opacity: Share of the label colour, in (0, 1].

    Returns:
        (H, W, 3) uint8, BGR.

    Raises:
        InputError: If the opacity is out of range.
    """
    require_number(opacity, 'opacity', above=0, maximum=1)
    colours = colour_map(labels, np.asarray(palette))
    return cv2.addWeighted(picture, 1 - opacity, colours, opacity, 0)


def classes_present(labels: np.ndarray, num_classes: int) -> list[int]:
    """Ids of the classes in a label map, largest area first, specks left out.

    Args:
        labels: Class ids, (H, W).
        num_classes: K; ids outside are skipped.
    """
    inside = labels[(labels >= 0) & (labels < num_classes)]
    areas = np.bincount(inside, minlength=num_classes)
    # Stable: equal areas keep the order of the classes, and drawings their bytes.
    order = np.argsort(-areas, kind='stable')
    return [int(index) for index in order if areas[index] >= max(1, _SMALLEST_SHARE * labels.size)]


def add_legend(drawing: np.ndarray, present: Sequence[int], classes: Sequence[str],
               palette: Sequence) -> np.ndarray:
    """Put a legend of the classes present below a drawing.

    Args:
        drawing: (H, W, 3) uint8, BGR.
        present: Class ids to list.
        classes: Class names, K.
        palette: RGB per class, (K, 3).

    Returns:
        (H + legend, W, 3) uint8, BGR.
    """
    cells = [(index, _SWATCH + 10 + cv2.getTextSize(classes[index], _FONT, _FONT_SCALE, 1)[0][0]
              + 12) for index in present]
    width = drawing.shape[1]
    rows: list[list[tuple[int, int]]] = [[]]
    for cell in cells:
        if rows[-1] and sum(size for _, size in rows[-1]) + cell[1] > width:
            rows.append([])
        rows[-1].append(cell)
    legend = np.full((_ROW * len(rows), width, 3), 255, dtype=np.uint8)
    for line, row in enumerate(rows):
        left = 4
        for index, size in row:
            top = line * _ROW + (_ROW - _SWATCH) // 2
            colour = [int(value) for value in palette[index]][::-1]
            cv2.rectangle(legend, (left, top), (left + _SWATCH, top + _SWATCH), colour, -1)
            cv2.putText(legend, classes[index], (left + _SWATCH + 5, top + _SWATCH - 3), _FONT,
                        _FONT_SCALE, (0, 0, 0), 1, cv2.LINE_AA)
            left += size
    return np.concatenate([drawing, legend])
