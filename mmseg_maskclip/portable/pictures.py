"""Reading one picture, in whatever form people have it, as 8 bits of RGB."""

from __future__ import annotations

import functools
import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from PIL import Image, UnidentifiedImageError

from mmseg_maskclip.utils import InputError, lacks_memory, require_file, require_number
from mmseg_maskclip.utils.files import PathLike

if TYPE_CHECKING:
    from torch import Tensor

MAX_PIXELS = 100_000_000
# Raster formats alone: Pillow gives vector ones to a program outside.
_FORMATS = ('JPEG', 'PNG', 'WEBP', 'TIFF', 'BMP', 'GIF', 'MPO', 'PPM', 'AVIF', 'JPEG2000', 'TGA',
            'ICO')
_ORIENTATION = 0x0112
_TURNS = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
          4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
          6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
          8: Image.Transpose.ROTATE_90}
_TRANSPARENT = ('RGBA', 'LA', 'PA', 'RGBa', 'La')
_opening = threading.Lock()


class TooLargeError(InputError):
    """A picture has more pixels than are allowed."""


@dataclass(frozen=True)
class Picture:
    """A picture as a model takes it.

    Attributes:
        rgb: (H, W, 3) uint8, upright.
        path: Its file, None for one that came from memory.
        name: What its label files are called, where it is one of many.
    """

    rgb: np.ndarray
    path: str | None = None
    name: str | None = None


Source = Union[PathLike, bytes, Image.Image, np.ndarray, 'Tensor', Picture]


def read_picture(source: Source, max_pixels: int = MAX_PIXELS) -> Picture:
    """A picture from a file or from memory.

    EXIF orientation is applied. What is transparent lies on white, as viewers and pages show it:
    the colours that files keep below it were never meant to be seen. Of 16 bits the higher 8 are
    kept, as OpenCV and Pillow do. Of several frames or pages the first is read. The size is
    checked before anything is decoded.

    Args:
        source: A path; the content of a file; a PIL image of any mode; an RGB array of shape
            (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) with values of uint8, uint16, bool, or floats
            from 0 to 1; a tensor of shape (1 | 3 | 4, H, W), uint8 or floats from 0 to 1.
        max_pixels: The most pixels a picture may have.

    Raises:
        TooLargeError: If it has more pixels.
        InputError: If it is missing, empty, damaged, not a picture, without pixels, or holds values
            of unknown range, as float TIFFs do.
    """
    require_number(max_pixels, 'max_pixels', minimum=1, whole=True)
    if isinstance(source, Picture):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _read_file(os.fspath(source), max_pixels)
    if isinstance(source, bytes):
        return Picture(_decode(io.BytesIO(source), 'the picture', len(source), max_pixels))
    if isinstance(source, Image.Image):
        path = getattr(source, 'filename', None)
        name = f'picture {path}' if path else 'the picture'
        with _named(name):
            rgb = _from_image(source, name, max_pixels)
        return Picture(rgb, os.fspath(path) if path else None)
    array = _from_tensor(source)
    if not isinstance(array, np.ndarray):
        raise InputError(f'a picture is a {type(source).__name__}, expected a path, a PIL image, '
                         'an RGB array (H, W, 3) or a tensor (3, H, W).')
    return Picture(_from_array(array, max_pixels))


def _read_file(path: str, max_pixels: int) -> Picture:
    require_file(path, 'picture')
    try:
        with open(path, 'rb') as file:
            size = os.fstat(file.fileno()).st_size
            return Picture(_decode(file, f'picture {path}', size, max_pixels), path)
    except OSError as error:
        raise InputError(f'picture {path} cannot be read: {error.strerror or error}.') from error


def _decode(file: Any, name: str, size: int, max_pixels: int) -> np.ndarray:
    """The pixels of an open file."""
    if not size:
        raise InputError(f'{name} is empty, it has 0 bytes.')
    with _named(name), _open(file) as image:
        return _from_image(image, name, max_pixels)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Turn what decoders raise into one sentence."""
    try:
        yield
    except InputError:
        raise
    except UnidentifiedImageError as error:
        raise InputError(f'{name} is not a picture, whatever its name ends in: expected JPEG, PNG, '
                         'WebP, TIFF, BMP or GIF.') from error
    # Decoders end in errors of any type when a file is damaged.
    except Exception as error:
        if lacks_memory(error):
            raise
        raise InputError(f'{name} is damaged: {str(error).rstrip(".")}.') from error


def _open(file: Any) -> Image.Image:
    """Read a picture's header."""
    # Pillow's own bound, of the whole process, would speak before ours does.
    with _opening:
        bound, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            return Image.open(file, formats=_formats())
        finally:
            Image.MAX_IMAGE_PIXELS = bound


@functools.cache
def _formats() -> tuple[str, ...]:
    """Those of the formats that this Pillow has."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _check_size(width: int, height: int, name: str, max_pixels: int) -> None:
    if not (width and height):
        raise InputError(f'{name} has {width} x {height} pixels, expected at least one.')
    if width * height > max_pixels:
        raise TooLargeError(f'{name} has {width} x {height} pixels, {width * height} in all, '
                            f'expected at most {max_pixels}: make it smaller, or raise max_pixels '
                            '(--max-pixels).')


def _from_image(image: Image.Image, name: str, max_pixels: int) -> np.ndarray:
    """(H, W, 3) uint8 of a PIL image of any mode."""
    _check_size(*image.size, name, max_pixels)
    image.load()
    turn = _TURNS.get(_orientation(image))
    image = _to_rgb(image, name)
    return np.array(image if turn is None else image.transpose(turn))


def _orientation(image: Image.Image) -> Any:
    try:
        return image.getexif().get(_ORIENTATION, 1)
    # What cameras and editors leave in EXIF is often damaged, and the picture is fine.
    except Exception:
        return 1


def _to_rgb(image: Image.Image, name: str) -> Image.Image:
    if image.mode == 'F':
        raise InputError(f'{name} holds 32-bit floats, whose range is not known: convert it to 8 '
                         'or 16 bits.')
    if image.mode.startswith('I'):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f'{name} holds 32-bit integers from {values.min()} to {values.max()}, '
                             'whose range is not known: convert it to 8 or 16 bits.')
        image = Image.fromarray((values >> 8).astype(np.uint8))
    if image.mode in _TRANSPARENT or 'transparency' in image.info:
        return _on_white(image)
    return image if image.mode == 'RGB' else image.convert('RGB')


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode == 'La':
        image = image.convert('LA')
    image = image if image.mode == 'RGBA' else image.convert('RGBA')
    alpha = image.getchannel('A')
    if alpha.getextrema() == (255, 255):
        return image.convert('RGB')
    white = Image.new('RGB', image.size, 'white')
    white.paste(image, mask=alpha)
    return white


def _from_tensor(source: Any) -> Any:
    """A tensor (C, H, W) as an array (H, W, C); anything else as it is."""
    # Who has not imported torch has no tensor.
    torch = sys.modules.get('torch')
    if torch is None or not isinstance(source, torch.Tensor):
        return source
    if source.ndim != 3 or source.shape[0] not in (1, 3, 4):
        raise InputError(f'a picture is a tensor of shape {tuple(source.shape)}, expected '
                         '(3, H, W).')
    source = source.detach().cpu()
    # NumPy has neither half the float types of torch.
    array = (source.float() if source.is_floating_point() else source).numpy()
    return array.transpose(1, 2, 0)


def _from_array(array: np.ndarray, max_pixels: int) -> np.ndarray:
    """(H, W, 3) uint8 of an array of grey values, RGB or RGBA."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4):
        raise InputError(f'a picture is an array of shape {array.shape}, expected (H, W, 3), RGB '
                         'last.')
    height, width, channels = array.shape
    _check_size(width, height, 'the picture', max_pixels)
    values = _to_bytes(array)
    if channels == 1:
        return np.repeat(values, 3, axis=2)
    if channels == 4:
        return np.array(_on_white(Image.fromarray(np.ascontiguousarray(values))))
    # A copy, even of bytes: the caller may change his array.
    return np.array(values, order='C')


def _to_bytes(array: np.ndarray) -> np.ndarray:
    """Values of 8 bits, of the same shape."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return (array >> 8).astype(np.uint8)
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if array.dtype.kind != 'f':
        raise InputError(f'a picture has values of type {array.dtype}, expected uint8, uint16, or '
                         'floats from 0 to 1.')
    low, high = float(array.min()), float(array.max())
    if not (low >= 0 and high <= 1):
        raise InputError(f'a picture has floats from {low:g} to {high:g}, expected 0 to 1: undo '
                         'any normalisation, or convert values from 0 to 255 to uint8.')
    return np.rint(array * 255).astype(np.uint8)
