"""Reading lists, images and label maps, with errors that name the file."""

from __future__ import annotations

import dataclasses
import io
import os
import os.path as osp
from typing import Union

import cv2
import mmcv
import numpy as np
from PIL import Image, UnidentifiedImageError

from mmseg_maskclip.utils import InputError, read_lines, require_dir, require_file

UNLABELLED_HINT = ("Where some images are to have no label, set data.train.missing_labels to "
                   "'unlabelled'.")
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
PathLike = Union[str, 'os.PathLike[str]']


@dataclasses.dataclass(frozen=True)
class UnreadableSample:
    """Placeholder in a test loader for an image that could not be read.

    Attributes:
        filename: The image file.
        reason: Why it could not be read, as the end of a sentence.
        index: Its index in the data set.
    """

    filename: str
    reason: str
    index: int = -1


def check_paths(settings: dict, kind: str, needs_split: bool, fix: str) -> None:
    """Check paths that mmseg would only assert, with errors that contain the fix.

    Args:
        settings: Arguments of the data set.
        kind: Its type.
        needs_split: Whether it must have a list of images.
        fix: How to get the data, appended to the error.

    Raises:
        InputError: If a folder or list is missing or not given.
    """
    backend = (settings.get('file_client_args') or {}).get('backend', 'disk')
    if backend != 'disk':
        return
    root = settings.get('data_root') or ''
    if settings.get('img_dir') is None:
        raise InputError(f'{kind} needs img_dir, the folder of images. {fix}')
    require_dir(osp.join(root, settings['img_dir']), 'image folder', fix)
    if settings.get('ann_dir') is not None:
        require_dir(osp.join(root, settings['ann_dir']), 'label folder', fix)
    if settings.get('split') is None and needs_split:
        raise InputError(f'{kind} needs split, the list of images to use. {fix}')
    if settings.get('split') is not None:
        require_file(osp.join(root, settings['split']), 'split list', fix)


def read_names(path: PathLike, what: str, fix: str = '') -> list[str]:
    """The names in a list of images, one a line; blank lines are skipped.

    Args:
        path: The file.
        what: What the file is for, used in errors.
        fix: How to get it, appended to the error if it is missing.

    Raises:
        InputError: If it is missing, is not UTF-8 text, or has only blank lines.
    """
    names = [line for line in read_lines(path, what, fix) if line]
    if not names:
        raise InputError(f'{what} {path} is empty, expected one name per line.')
    return names


def why_unreadable(client: mmcv.FileClient, path: str, error: Exception | None = None,
                   decoder: str = 'cv2') -> str | None:
    """Why an image can't be read or resized; None if it can.

    Args:
        client: Where files come from.
        path: The image file.
        error: What its way through the pipeline ended with.
        decoder: What reads it, ``imdecode_backend`` of ``LoadImageFromFile``.
    """
    try:
        content = client.get(path)
    except FileNotFoundError:
        return 'it does not exist'
    except OSError as error:
        return f'it cannot be opened ({error.strerror or error})'
    if not content:
        return 'it is empty'
    # OpenCV first, since pipelines read by it; PIL then says what is wrong.
    known = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if known is not None:
        return _why_not_resized(known.shape, error)
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            form = f'{image.format}, mode {image.mode}'
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return 'it is damaged or not an image'
    if decoder != 'cv2':
        # Not the file but the pipeline is at fault, whose own error is clearer.
        return None
    # Such a file may hold values of any range, which can't be guessed here.
    return f'OpenCV does not read its form ({form}), convert it to PNG or JPEG of 8 bits'


def _why_not_resized(shape: tuple[int, ...], error: Exception | None) -> str | None:
    """What is wrong with the size of an image that can be read."""
    if not isinstance(error, cv2.error) or getattr(error, 'func', '') != 'resize':
        return None
    return (f'its {shape[1]} x {shape[0]} pixels are too long and narrow, the short side is '
            'resized to 0 pixels')


def read_label_map(client: mmcv.FileClient, path: str, fix: str = '') -> np.ndarray:
    """Label ids as the file holds them, of any bit depth.

    mmseg casts to 8 bits while reading, which turns id 256 into 0; here every
    id is kept, so that one outside the classes is noticed.

    Args:
        client: Where files come from.
        path: An image with one number per pixel; palette images give indices.
        fix: How to make the file, appended to the error if it is missing.

    Returns:
        Ids, (H, W) int64.

    Raises:
        InputError: If the file is missing, damaged, or holds colours.
    """
    hint = f' {fix}' if fix else ''
    try:
        content = client.get(path)
    except OSError as error:
        raise InputError(f'label file {path} cannot be read: '
                         f'{error.strerror or error}.{hint}') from error
    try:
        with Image.open(io.BytesIO(content)) as image:
            # Palette pictures keep their indices: no conversion.
            labels = np.array(image)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise InputError(f'label file {path} is damaged or not an image: {error}.') from error
    if labels.ndim == 3 and labels.shape[2] == 1:
        labels = labels[:, :, 0]
    if labels.ndim != 2:
        raise InputError(f'label file {path} has shape {labels.shape}, expected one class id '
                         'per pixel: colour pictures of labels must be converted first.')
    return labels.astype(np.int64)


def existing_labels(client: mmcv.FileClient, folder: str, names: list) -> list:
    """The names of label files, None in place of those that do not exist.

    Args:
        client: Where files come from.
        folder: The folder of the labels.
        names: Of the files, relative to it.

    Raises:
        InputError: If none of them exists.
    """
    found = [name if client.isfile(osp.join(folder, name)) else None for name in names]
    if all(name is None for name in found):
        raise InputError(f'none of the {len(names)} images has a label file in {folder}, such as '
                         f'{names[0]}: check ann_dir and seg_map_suffix, or set ann_dir=None for '
                         'training without labels.')
    return found


def size_and_turn(client: mmcv.FileClient, path: str) -> tuple[tuple[int, int], bool]:
    """Width and height of an image as its file holds it, and whether EXIF swaps them."""
    with Image.open(io.BytesIO(client.get(path))) as image:
        return image.size, image.getexif().get(_ORIENTATION, 1) in _TURNED


def why_turned(client: mmcv.FileClient, path: str, label_shape: tuple[int, ...]) -> str:
    """Why an image has the size of its label, turned; empty if that is not EXIF's doing.

    Args:
        client: Where files come from.
        path: The image file.
        label_shape: (H, W) of the label.
    """
    try:
        size, turned = size_and_turn(client, path)
    except (OSError, SyntaxError, ValueError):
        return ''
    if not turned or size != label_shape[::-1]:
        return ''
    return (f'image {path} is turned by its EXIF orientation and its label is not: turn the label, '
            "or set color_type='color_ignore_orientation' in LoadImageFromFile.")
