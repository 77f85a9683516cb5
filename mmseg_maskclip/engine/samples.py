"""Samples of any data set: a failure names its file, in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmseg.datasets.pipelines import Collect, MultiScaleFlipAug, RandomFlip
from torch.utils.data import Dataset

from mmseg_maskclip.datasets import OpenVocabularyMixin, UnreadableSample
from mmseg_maskclip.datasets.checking import parts_of
from mmseg_maskclip.datasets.reading import why_unreadable
from mmseg_maskclip.datasets.splits import reduce_zero
from mmseg_maskclip.engine.border import last_line
from mmseg_maskclip.utils import InputError

_FLIP = ('flip', 'flip_direction')


class NamedFailures(Dataset):
    """Wraps a data set, mmseg's or ours, and behaves like it otherwise.

    Args:
        dataset: The data set.
        where: Its place in the config, such as ``'data.val'``.
        skip_unreadable: Whether an image that can't be read becomes an
            :class:`UnreadableSample`.
    """

    def __init__(self, dataset: Any, where: str, skip_unreadable: bool = False) -> None:
        self.dataset = dataset
        self.where = where
        self.skip_unreadable = skip_unreadable

    def __getattr__(self, name: str) -> Any:
        # Unpickling in a worker process asks for special methods before there are attributes.
        if name.startswith('__') or 'dataset' not in self.__dict__:
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        """The sample.

        Raises:
            InputError: If the image or its label can't be read, or a step of
                the pipeline fails.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        try:
            return self.dataset[index]
        except InputError:
            raise
        except Exception as error:
            part, place = located(self.dataset, index)
            path = _image_path(part, place)
            reason = why_unreadable(part.file_client, path, error) if path else None
            if reason and self.skip_unreadable:
                return UnreadableSample(path, reason, index)
            problem = f'cannot be read: {reason}.' if reason else (
                f'does not go through the pipeline: {last_line(error)}. (MASKCLIP_DEBUG=1 shows '
                'where.)')
            raise InputError(f'{self.where}: image {path or index} {problem}') from error

    def pre_eval(self, preds: Any, indices: Any) -> list:
        """The data set's own ``pre_eval``.

        Raises:
            InputError: If a label can't be read or does not fit.
        """
        try:
            return self.dataset.pre_eval(preds, indices)
        except InputError:
            raise
        except Exception as error:
            index = indices[0] if isinstance(indices, list) else indices
            part, place = located(self.dataset, index)
            raise InputError(
                f'{self.where}: the label of image {_image_path(part, place) or index} cannot be '
                f'compared with the prediction {np.shape(preds)}: {last_line(error)}. '
                '(tools/check_dataset.py CONFIG looks at all files.)') from error


def located(dataset: Any, index: int) -> tuple[Any, int]:
    """The data set with its own files that a sample comes from, and its index there.

    Args:
        dataset: A data set, perhaps several that are joined.
        index: Index of the sample in it.
    """
    if hasattr(dataset, 'datasets'):
        number, place = dataset.get_dataset_idx_and_sample_idx(index)
        return located(dataset.datasets[number], place)
    if hasattr(dataset, 'dataset'):
        return located(dataset.dataset, index % len(dataset.dataset))
    return dataset, index


def truth_of(dataset: Any, index: int) -> tuple[np.ndarray, int, str]:
    """Ground truth of a sample in class ids, of data sets of ours and of mmseg.

    Args:
        dataset: A data set, perhaps several that are joined.
        index: Index of the sample in it.

    Returns:
        Class ids (H, W), the id of ignored pixels, and what to call it in an error.

    Raises:
        InputError: If it can't be read.
    """
    part, index = located(dataset, index)
    truth = part.get_gt_seg_map_by_idx(index)
    if part.reduce_zero_label and not isinstance(part, OpenVocabularyMixin):
        # mmseg leaves that to its metrics.
        truth = reduce_zero(truth, part.ignore_index)
    return truth, part.ignore_index, f'the label of {part.img_infos[index]["filename"]}'


def _image_path(part: Any, index: int) -> str | None:
    """Path of an image; None in a data set of another kind."""
    infos = getattr(part, 'img_infos', None)
    return f'{part.img_dir}/{infos[index]["filename"]}' if infos else None


def settle_flip(dataset: Any) -> None:
    """Let a training pipeline do without ``RandomFlip``.

    ``Collect`` requires the keys of a flip, which only that step sets.

    Args:
        dataset: A training set, changed in place.
    """
    for part in parts_of(dataset):
        steps = getattr(getattr(part, 'pipeline', None), 'transforms', [])
        if any(isinstance(step, RandomFlip) or hasattr(step, 'transforms') for step in steps):
            continue
        for step in steps:
            if isinstance(step, Collect):
                step.meta_keys = tuple(key for key in step.meta_keys if key not in _FLIP)


def require_test_pipeline(dataset: Any, where: str) -> None:
    """Refuse a test pipeline whose samples no segmentor can take.

    Args:
        dataset: A data set in test mode.
        where: Where it stands in the config.

    Raises:
        InputError: If it has no step that makes lists of images.
    """
    for part in parts_of(dataset):
        steps = getattr(getattr(part, 'pipeline', None), 'transforms', None)
        if steps is not None and not any(isinstance(step, MultiScaleFlipAug)
                                         or hasattr(step, 'transforms') for step in steps):
            raise InputError(
                f"{where}.pipeline has no 'MultiScaleFlipAug', which puts the images of a test "
                'into lists: put the steps behind the loading of the image into its transforms, '
                'as in configs/_base_/datasets/.')
