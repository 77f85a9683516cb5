"""Samples of a data set whose files may be broken: each is named, some are left out."""

from __future__ import annotations

import logging
import os.path as osp
from collections.abc import Sequence
from typing import Any

from mmcv.utils import print_log
from mmseg.utils import get_root_logger

from mmseg_maskclip.datasets.reading import (
    UNLABELLED_HINT,
    UnreadableSample,
    read_label_map,
    why_unreadable,
)
from mmseg_maskclip.utils import InputError

ON_UNREADABLE = ('raise', 'skip')


def require_word(name: str, value: Any, known: Sequence[str]) -> None:
    """Refuse a setting that is none of some words.

    Args:
        name: Of the setting.
        value: What was given.
        known: What it may be.

    Raises:
        InputError: If it is something else.
    """
    if value not in known:
        raise InputError(f'{name} is {value!r}, expected one of {", ".join(map(repr, known))}.')


class NamedFilesMixin:
    """Mixin for an mmseg data set class: paths of its files, and samples that name them.

    In training an image that can't be read is replaced by the next one.
    """

    #: How to prepare the data, one sentence.
    PREPARE = 'See docs/datasets.md for the layout of the data.'

    def _set_unreadable(self, on_unreadable: str) -> None:
        """Say what test mode gives for an image that can't be read."""
        require_word('on_unreadable', on_unreadable, ON_UNREADABLE)
        self.on_unreadable = on_unreadable
        self._unreadable: set[str] = set()

    def image_path(self, index: int) -> str:
        """Path of an image."""
        return osp.join(self.img_dir, self.img_infos[index]['filename'])

    def label_path(self, index: int) -> str:
        """Path of a label map."""
        return osp.join(self.ann_dir or '', self.get_ann_info(index)['seg_map'])

    def __getitem__(self, index: int) -> dict | UnreadableSample:
        for step in range(len(self)):
            # The index itself may be out of range: that must stay an IndexError.
            current = (index + step) % len(self) if step else index
            try:
                return super().__getitem__(current)
            except Exception as error:
                # Looked at only after a failure, so that readable images cost
                # nothing and a defect of the pipeline is not taken for one.
                path = self.image_path(current)
                reason = why_unreadable(self.file_client, path, error, self._decoder())
                if reason is None:
                    self._check_label(current)
                    raise
                if self.test_mode and self.on_unreadable == 'skip':
                    return UnreadableSample(path, reason, current)
                if self.test_mode:
                    raise InputError(f'image {path} cannot be read: {reason}.') from error
                self._warn_unreadable(path, reason)
        raise InputError(f'none of the {len(self)} images in {self.img_dir} can be read. '
                         f'{self.PREPARE}')

    def _decoder(self) -> str:
        """What reads the images."""
        return next((step.imdecode_backend for step in self.pipeline.transforms
                     if hasattr(step, 'imdecode_backend')), 'cv2')

    def _check_label(self, index: int) -> None:
        """Raise a clear error if a training sample has failed because of its label."""
        if not self.test_mode and self.get_ann_info(index)['seg_map'] is not None:
            read_label_map(self.file_client, self.label_path(index),
                           f'{self.PREPARE} {UNLABELLED_HINT}')

    def _warn_unreadable(self, path: str, reason: str) -> None:
        if path in self._unreadable:
            return
        self._unreadable.add(path)
        print_log(f'image {path} cannot be read ({reason}); the next one is used in its place '
                  f'({len(self._unreadable)} of {len(self)} so far in this process)',
                  logger=get_root_logger(), level=logging.WARNING)
