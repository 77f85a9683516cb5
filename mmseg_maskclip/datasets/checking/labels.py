"""Labels that can be read but not be right: 0/255 masks, all ignored, one class only."""

from __future__ import annotations

import dataclasses
import os.path as osp
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

import numpy as np
from mmcv.utils import print_log

from mmseg_maskclip.datasets.reading import read_label_map
from mmseg_maskclip.datasets.splits import reduce_zero, remap
from mmseg_maskclip.ops import IGNORED
from mmseg_maskclip.utils import InputError

SAMPLED = 64
NEARLY_ALL = 0.95
MORE = 'tools/check_dataset.py CONFIG shows more.'
_SHOWN = 5


@dataclasses.dataclass
class LabelCounts:
    """Pixel counts of label files.

    Attributes:
        classes: Pixels per class id.
        ignored: Pixels that are ignored.
        outside: Pixels per file id that is outside the classes.
        file_ids: Pixels per id as the files hold it; None where they were not read.
        files: Number of label files.
    """

    classes: np.ndarray
    ignored: int = 0
    outside: Counter = dataclasses.field(default_factory=Counter)
    file_ids: Optional[Counter] = dataclasses.field(default_factory=Counter)
    files: int = 0

    def add(self, ids: np.ndarray, dataset: Any) -> None:
        """Count one label map.

        Args:
            ids: Ids of the file, (H, W).
            dataset: The data set, which maps ids to classes.
        """
        found, counts = np.unique(ids, return_counts=True)
        for old, new, count in zip(found.tolist(), class_ids(dataset, found).tolist(),
                                   counts.tolist()):
            if self.file_ids is not None:
                self.file_ids[old] += count
            if new == IGNORED:
                self.ignored += count
            elif 0 <= new < len(self.classes):
                self.classes[new] += count
            else:
                self.outside[old] += count
        self.files += 1


def parts_of(dataset: Any) -> Iterator[Any]:
    """The data sets with files of their own that a joined or repeated one consists of."""
    inner = getattr(dataset, 'datasets', None) or (
        [dataset.dataset] if hasattr(dataset, 'dataset') else [])
    for part in inner:
        yield from parts_of(part)
    if not inner:
        yield dataset


def class_ids(dataset: Any, ids: np.ndarray) -> np.ndarray:
    """What ids of a file mean in a data set, ours or mmseg's: class ids, or 255 for ignored."""
    if hasattr(dataset, 'to_class_ids'):
        return dataset.to_class_ids(ids)
    ignored = ids == dataset.ignore_index
    if dataset.reduce_zero_label:
        ids = reduce_zero(ids, IGNORED)
    if dataset.label_map:
        ids = remap(ids, dataset.label_map, IGNORED)
    return np.where(ignored, IGNORED, ids)


def label_file(dataset: Any, index: int) -> str | None:
    """Path of an image's label; None where it has none."""
    name = dataset.img_infos[index].get('ann', {}).get('seg_map')
    return None if name is None or dataset.ann_dir is None else osp.join(dataset.ann_dir, name)


def sample_labels(dataset: Any, count: int = SAMPLED) -> LabelCounts | None:
    """Count the ids of some label files, the same ones in every run.

    Args:
        dataset: A data set, perhaps joined or repeated.
        count: How many files at most.

    Returns:
        The counts; None if no label could be read, which fails where one is needed.
    """
    labelled = [(part, path) for part in parts_of(dataset) if hasattr(part, 'img_infos')
                for path in (label_file(part, index) for index in range(len(part))) if path]
    counts = LabelCounts(np.zeros(len(dataset.CLASSES or ()), dtype=np.int64))
    order = np.random.default_rng(0).permutation(len(labelled))[:count]
    for part, path in (labelled[index] for index in sorted(order)):
        try:
            counts.add(read_label_map(part.file_client, path), part)
        except InputError:
            continue
    return counts if counts.files else None


def warn_of_labels(dataset: Any, where: str) -> None:
    """Warn once, before a run, if a sample of the label files can't be right.

    Args:
        dataset: A data set, perhaps joined or repeated.
        where: Its place in the config, such as ``'data.train'``.
    """
    first = next(parts_of(dataset))
    withheld = len(getattr(first, 'unlabelled_ids', ())) == len(dataset.CLASSES or ())
    if withheld and getattr(first, 'unlabel_ignored', False):
        return
    counts = sample_labels(dataset)
    odd = counts and suspicion(counts, dataset.CLASSES, classes_matter=not withheld,
                               reduce_zero_label=getattr(first, 'reduce_zero_label', False))
    if odd:
        print_log(f'{where}: {odd}. {MORE}', 'mmseg', level=30)


def suspicion(counts: LabelCounts, class_names: Sequence[str], *, classes_matter: bool = True,
              reduce_zero_label: bool = False) -> str | None:
    """What is odd about labels, and the usual cause; None if they may well be right.

    Args:
        counts: What the files hold.
        class_names: Of the data set.
        classes_matter: Whether the labels of classes are used at all, and not
            withheld as in annotation-free training.
        reduce_zero_label: Whether the data set turns id 0 into ignored.
    """
    total = int(counts.classes.sum()) + counts.ignored
    if not total:
        return None
    present = np.flatnonzero(counts.classes)
    ids = None if counts.file_ids is None else set(counts.file_ids)
    if classes_matter and ids == {0, IGNORED}:
        found = 'they hold the ids 0 and 255 alone'
        cause = ('masks drawn in black and white, while 255 means ignored here: write class ids '
                 'into them, such as 1 for 255')
    elif counts.ignored >= NEARLY_ALL * total:
        found = 'nearly all pixels are ignored'
        cause = ('reduce_zero_label=True, which ignores id 0 of the files' if reduce_zero_label
                 else 'ids that were not converted to those of the classes, or masks in which '
                      '255 is a class and not what is ignored')
    elif classes_matter and len(counts.classes) > 1 and len(present) == 1 and counts.files > 1:
        found = f'{class_names[present[0]]!r} is the only class'
        cause = ('masks in which the other class is 255, which is ignored' if counts.ignored else
                 'masks of another task, or ids that were lost in a conversion')
    else:
        return None
    return (f'{found} in {counts.files} label files ({_shares(counts, class_names, total)}); '
            f'usual cause: {cause}')


def _shares(counts: LabelCounts, class_names: Sequence[str], total: int) -> str:
    order = np.argsort(-counts.classes, kind='stable')[:_SHOWN]
    found: Mapping[str, int] = {
        **{repr(class_names[index]): int(counts.classes[index]) for index in order
           if counts.classes[index]}, **({'ignored': counts.ignored} if counts.ignored else {})}
    return ', '.join(f'{name} {100 * count / total:.1f} %' for name, count in found.items())
