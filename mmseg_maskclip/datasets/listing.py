"""Which images a data set has, and which label file belongs to each."""

from __future__ import annotations

import os.path as osp
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from mmcv import FileClient
from mmcv.utils import print_log
from mmseg.utils import get_root_logger

from mmseg_maskclip.datasets.reading import read_names
from mmseg_maskclip.utils import InputError
from mmseg_maskclip.utils.images import PICTURES


class Listed(NamedTuple):
    """An image and its label file, relative to their folders.

    Attributes:
        image: Name of the image, with its suffix.
        label: Name of the label file.
    """

    image: str
    label: str


def list_folder(client: FileClient, folder: str, suffixes: Sequence[str], label_suffix: str,
                fix: str) -> list[Listed]:
    """All images below a folder whose names end in one of some suffixes, in any case.

    Args:
        client: Where files come from.
        folder: The folder.
        suffixes: Such as ``('.jpg', '.png')``.
        label_suffix: What a label's name has in place of an image's suffix.
        fix: How to get the data, appended to the error.

    Raises:
        InputError: If there are none; names the suffixes that pictures there have.
    """
    listed: list[tuple[str, Listed]] = []
    others: Counter[str] = Counter()
    for name in client.list_dir_or_file(folder, list_dir=False, recursive=True):
        if any(part.startswith('.') for part in name.split(osp.sep)[:-1]):
            # mmcv leaves out hidden files, but not those of hidden folders.
            continue
        suffix = _suffix_of(name, suffixes)
        if suffix:
            stem = name[:-len(suffix)]
            listed.append((stem, Listed(name, stem + label_suffix)))
        elif name.lower().endswith(PICTURES):
            others[osp.splitext(name)[1]] += 1
    found = ', '.join(f'{count} {suffix}' for suffix, count in sorted(others.items()))
    if not listed:
        hint = (f'its pictures are {found}: set img_suffix to a suffix, or a tuple of several'
                if others else 'it holds no pictures')
        raise InputError(f'no image *{" or *".join(suffixes)} was found in {folder}, {hint}. {fix}')
    if others and label_suffix not in others:
        # Label files beside the images are no pictures that were forgotten.
        print_log(f'{folder} also holds {found} pictures, which img_suffix='
                  f'{tuple(suffixes)} leaves out.', logger=get_root_logger(), level=30)
    # By names without their suffixes, as mmseg lists them.
    return [one for _, one in sorted(listed)]


def list_split(client: FileClient, split: str, folder: str, suffixes: Sequence[str],
               label_suffix: str, fix: str) -> list[Listed]:
    """The images that a split file names, one a line.

    A line is a name without its suffix as in VOC's lists, a name with it, or an
    image and its label, as in lists of ``image label`` pairs; folders in front
    are kept.

    Args:
        client: Where files come from.
        split: The file.
        folder: The folder of the images.
        suffixes: As in :func:`list_folder`; of several the first that exists counts.
        label_suffix: As in :func:`list_folder`.
        fix: How to get the data, appended to the error.

    Raises:
        InputError: If it is missing or empty, or a line is none of these.
    """
    return [_of_line(line, client, split, folder, suffixes, label_suffix)
            for line in read_names(split, 'split list', fix)]


def _of_line(line: str, client: FileClient, split: str, folder: str, suffixes: Sequence[str],
             label_suffix: str) -> Listed:
    words = line.split()
    if len(words) == 2 and _suffix_of(words[0], PICTURES) and _suffix_of(words[1], PICTURES):
        return Listed(*words)
    suffix = _suffix_of(line, suffixes)
    if suffix:
        return Listed(line, line[:-len(suffix)] + label_suffix)
    if _suffix_of(line, PICTURES):
        raise InputError(f'split list {split} names {line!r}, img_suffix is {tuple(suffixes)}: '
                         'set img_suffix to the suffix in the list.')
    chosen = suffixes[0]
    if len(suffixes) > 1:
        chosen = next((one for one in suffixes if client.isfile(osp.join(folder, line + one))),
                      suffixes[0])
    return Listed(line + chosen, line + label_suffix)


def _suffix_of(name: str, suffixes: Sequence[str]) -> str:
    """The suffix of a name as it is written there, empty where it has none of these."""
    for suffix in suffixes:
        if name.lower().endswith(suffix.lower()):
            return name[-len(suffix):]
    return ''
