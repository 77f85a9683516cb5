"""Several folders or lists of images that are evaluated as one data set."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmseg.datasets import ConcatDataset, build_dataset
from torch.utils.data import ConcatDataset as TorchConcatDataset

from mmseg_maskclip.datasets.base import OpenVocabularyMixin
from mmseg_maskclip.utils import InputError

_LISTED = ('img_dir', 'ann_dir', 'split')


class JoinedDataset(ConcatDataset):
    """Data sets with the same classes, one behind the other.

    mmseg's refuses Cityscapes, and takes one result per image where a test run has sums.

    Args:
        datasets: At least two.

    Raises:
        InputError: If their classes differ, or only some have labels.
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        TorchConcatDataset.__init__(self, datasets)
        first = datasets[0]
        for number, other in enumerate(datasets[1:], 1):
            if list(other.CLASSES) != list(first.CLASSES):
                raise InputError(f'the data sets 0 and {number} that are to be evaluated as one '
                                 'have other classes: give both the same names in one order.')
            if (other.ann_dir is None) != (first.ann_dir is None):
                raise InputError(f'of the data sets 0 and {number} that are to be evaluated as '
                                 'one, one alone has labels: set ann_dir of both or of neither.')
        self.CLASSES, self.PALETTE = first.CLASSES, first.PALETTE
        self.img_dir, self.ann_dir = first.img_dir, first.ann_dir
        self.TAKES_CLASS_NAMES = getattr(first, 'TAKES_CLASS_NAMES', False)

    def evaluate(self, results: Sequence, metric: str | Sequence[str] = 'mIoU',
                 logger: Any = None, **kwargs) -> dict[str, float]:
        """Score the results of all images together.

        Args:
            results: What ``pre_eval`` gave for all images, or sums of it.
            metric: As the first data set takes it.
            logger: Where the tables go.
            **kwargs: Passed on.

        Raises:
            InputError: For a metric that reads the files of one data set.
        """
        if 'cityscapes' in ([metric] if isinstance(metric, str) else metric):
            raise InputError("metric 'cityscapes' scores the files of one data set, and this test "
                             f'set joins {len(self.datasets)}: test them one by one.')
        return self.datasets[0].evaluate(results, metric=metric, logger=logger, **kwargs)

    def get_gt_seg_map_by_idx(self, index: int) -> np.ndarray:
        """Ground truth of one image, (H, W)."""
        number, place = self.get_dataset_idx_and_sample_idx(index)
        return self.datasets[number].get_gt_seg_map_by_idx(place)


def build_evaluated(settings: Any, skip_unreadable: bool = False) -> Any:
    """Build a data set in test mode, joined where the config names several.

    Args:
        settings: Of ``data.test`` or ``data.val``; a list of them, or lists of
            folders or of split files in one, are joined.
        skip_unreadable: Whether an image that can't be read is left out, in
            data sets of ours whose settings don't say.

    Raises:
        InputError: For lists of different length, or parts that don't fit.
    """
    parts = [part for one in (settings if isinstance(settings, (list, tuple)) else [settings])
             for part in _listed(one)]
    if not parts:
        raise InputError('the list of data sets is empty.')
    built = [build_dataset({**part, 'test_mode': True}) for part in parts]
    for part, dataset in zip(parts, built):
        if skip_unreadable and isinstance(dataset, OpenVocabularyMixin):
            # One bad file must not cost the metrics of all others: it is counted and named.
            dataset.on_unreadable = part.get('on_unreadable', 'skip')
    return JoinedDataset(built) if len(built) > 1 else built[0]


def _listed(settings: Mapping) -> list[dict]:
    """The settings of each data set that lists of folders or files stand for."""
    plain = {key: copy.deepcopy(value) for key, value in settings.items()
             if key != 'separate_eval'}
    lists = {key: plain[key] for key in _LISTED if isinstance(plain.get(key), (list, tuple))}
    if not lists:
        return [plain]
    counts = {key: len(entries) for key, entries in lists.items()}
    longest = max(counts.values())
    if set(counts.values()) - {longest} or not longest:
        said = ', '.join(f'{key} has {count}' for key, count in counts.items())
        raise InputError(f'lists of folders or split files differ in length ({said}): give as '
                         'many of each, or one that is not a list for all.')
    return [{**copy.deepcopy(plain), **{key: entries[index] for key, entries in lists.items()}}
            for index in range(longest)]
