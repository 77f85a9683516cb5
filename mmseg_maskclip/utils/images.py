"""What picture files are called, and writing them, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mmseg_maskclip.utils.errors import InputError
from mmseg_maskclip.utils.files import PathLike, atomic_path

if TYPE_CHECKING:
    import numpy as np

#: Suffixes of picture files, in lower case; those of files may be in any.
PICTURES = ('.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff')


def write_image(path: PathLike, image: np.ndarray) -> None:
    """Write a picture in the format of its suffix.

    Args:
        path: The file.
        image: (H, W, 3) uint8, BGR.

    Raises:
        InputError: If the suffix names no picture format, or it can't be written.
    """
    import cv2

    with atomic_path(path) as name:
        try:
            written = cv2.imwrite(str(name), image)
        except cv2.error:
            written = False
        if not written:
            raise InputError(f'picture {path} cannot be written: expected a name that ends in '
                             '.png or .jpg.')
