"""What all data sets here share: seen and unseen classes, exact scores, clear errors."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Optional

import mmcv
import numpy as np
from mmcv.utils import print_log
from mmseg.utils import get_root_logger

from mmseg_maskclip.clip import load_vocabulary
from mmseg_maskclip.datasets.label_ids import LabelIds
from mmseg_maskclip.datasets.listing import list_folder, list_split
from mmseg_maskclip.datasets.named_files import NamedFilesMixin, require_word
from mmseg_maskclip.datasets.reading import (
    check_paths,
    existing_labels,
    read_label_map,
    why_turned,
)
from mmseg_maskclip.datasets.splits import (
    raw_label_map,
    reduce_zero,
    remap,
    resolve_classes,
    resolve_unlabelled,
)
from mmseg_maskclip.evaluation import (
    SegmentationMetrics,
    class_table,
    count_areas,
    segmentation_metrics,
    sum_areas,
    summary_table,
)
from mmseg_maskclip.ops import IGNORED
from mmseg_maskclip.utils import InputError

MISSING_LABELS = ('error', 'unlabelled')


class OpenVocabularyMixin(NamedFilesMixin):
    """Mixin for an mmseg data set class: ``class X(OpenVocabularyMixin, CustomDataset)``.

    Args:
        unseen: Names or ids of the classes without annotation in training;
            None takes the class's own ``UNSEEN``, an empty list means none.
        on_unreadable: What test mode does about an image that can't be read:
            'raise' an :class:`InputError`, or 'skip', i.e. return an
            :class:`UnreadableSample` in place of the sample. In training such
            an image is replaced by the next one, with a warning.
        unlabelled: Classes whose labels training does not see: 'all' (the
            annotation-free setting), 'unseen' (zero-shot), or names or ids.
            Their pixels are -1; needs ``LoadLabels`` in the pipeline.
        unlabel_ignored: Whether training does not see which pixels are
            ignored either, such as background and void; -1 too.
        missing_labels: Of ``data.train``: 'error', or 'unlabelled' for images
            without a label file, whose pixels are all -1 then.
        ignore_index: Ids of the label files that are ignored beside 255, one
            or a list. Labels arrive with 255 in their place.
        remap_ids: Ids of the label files and those they stand for (255 for
            ignored), before zero is reduced.
        **kwargs: Arguments of the mmseg class.

    Raises:
        InputError: For missing folders or lists, no images, wrong classes.
    """

    #: Names of the classes unseen in the published zero-shot split.
    UNSEEN: tuple[str, ...] = ()
    #: Published vocabulary of the prompts for its classes, in their order.
    PROMPTS: Optional[str] = None
    #: Whether its class names are the user's, and follow ``--classes``.
    TAKES_CLASS_NAMES = False
    #: Whether the image folder holds more than the labelled images.
    NEEDS_SPLIT = False

    def __init__(self, *, unseen: Sequence[str | int] | None = None,
                 on_unreadable: str = 'raise',
                 unlabelled: str | Sequence[str | int] | None = None,
                 unlabel_ignored: bool = False, missing_labels: str = 'error',
                 ignore_index: int | Sequence[int] = IGNORED,
                 remap_ids: Mapping[int | str, int] | None = None, **kwargs) -> None:
        require_word('missing_labels', missing_labels, MISSING_LABELS)
        if missing_labels != 'error' and kwargs.get('test_mode', False):
            raise InputError(f'missing_labels={missing_labels!r} is for data.train: what has no '
                             'label cannot be evaluated.')
        self.missing_labels = missing_labels
        self.label_ids = LabelIds.of(ignore_index, remap_ids)
        self._set_unreadable(on_unreadable)
        kwargs['classes'] = self._checked_classes(kwargs.get('classes'))
        check_paths(kwargs, type(self).__name__, self.NEEDS_SPLIT, self.PREPARE)
        super().__init__(**kwargs)
        # A data set built with some of its classes has only their part of the split.
        if unseen is None:
            unseen = [name for name in self.UNSEEN if name in self.CLASSES]
        self.unseen_ids = resolve_classes(unseen, self.CLASSES)
        self.seen_ids = tuple(index for index in range(len(self.CLASSES))
                              if index not in self.unseen_ids)
        self.unlabelled_ids = resolve_unlabelled(unlabelled, self.unseen_ids, self.CLASSES)
        self.unlabel_ignored = unlabel_ignored
        self._check_loader()

    def _check_loader(self) -> None:
        """Refuse settings of labels that the step of the pipeline that loads them does not know."""
        used = [name for name, value in (
            ('unlabelled', self.unlabelled_ids), ('unlabel_ignored', self.unlabel_ignored),
            ('missing_labels', self.missing_labels != 'error'),
            ('ignore_index', self.label_ids.ignored), ('remap_ids', self.label_ids.renamed))
            if value]
        steps = [type(step).__name__ for step in self.pipeline.transforms]
        if used and not self.test_mode and 'LoadAnnotations' in steps:
            raise InputError(f"{' and '.join(used)} cannot be used with 'LoadAnnotations': "
                             "use 'LoadLabels' in the training pipeline instead.")

    def _checked_classes(self, classes: str | Sequence[str] | None) -> list[str] | None:
        if classes is None:
            return None
        names = list(load_vocabulary(classes, f'classes of {type(self).__name__}').class_names)
        if not self.CLASSES:
            return names
        # mmseg's ADE20K has a class 'bed ', with a trailing blank.
        known = {name.strip(): name for name in self.CLASSES}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise InputError(f'{unknown[0]!r} is not a class of {type(self).__name__}, expected '
                             f'some of: {", ".join(known)}.')
        return [known[name] for name in names]

    def load_annotations(self, img_dir: str, img_suffix: str | Sequence[str], ann_dir: str | None,
                         seg_map_suffix: str, split: str | None) -> list[dict]:
        """List the images, from the split file or else from the folder.

        Returns:
            One ``dict(filename=..., ann=dict(seg_map=...))`` per image, the
            label being None where the data set has no labels.

        Raises:
            InputError: If there are none.
        """
        suffixes = (img_suffix,) if isinstance(img_suffix, str) else tuple(img_suffix)
        if split is not None:
            listed = list_split(self.file_client, split, img_dir, suffixes, seg_map_suffix,
                                self.PREPARE)
        else:
            listed = list_folder(self.file_client, img_dir, suffixes, seg_map_suffix,
                                 self.PREPARE)
        found = [None if ann_dir is None else label for _, label in listed]
        told = ''
        if self.missing_labels == 'unlabelled' and ann_dir is not None:
            found = existing_labels(self.file_client, ann_dir, found)
            told = f', {sum(label is not None for label in found)} of them with labels'
        print_log(f'Loaded {len(listed)} images{told}', logger=get_root_logger())
        return [{'filename': one.image, 'ann': {'seg_map': label}}
                for one, label in zip(listed, found)]

    def pre_pipeline(self, results: dict) -> None:
        """Fill in what the loading steps read: mmseg's, and :class:`LoadLabels`."""
        super().pre_pipeline(results)
        results.update(reduce_zero_label=self.reduce_zero_label, num_classes=len(self.CLASSES),
                       suppress_labels=self.unlabelled_ids, unlabel_ignored=self.unlabel_ignored,
                       label_ids=self.label_ids)
        if results.get('label_map') is not None:
            # mmseg's LoadAnnotations renames before it shifts ids down; label_map is in final ids.
            results['label_map'] = raw_label_map(
                results['label_map'], self.reduce_zero_label, self.ignore_index)

    def get_gt_seg_map_by_idx(self, index: int) -> np.ndarray:
        """Ground truth of one image in class ids, (H, W) int64.

        Unlike mmseg's, it is final: shifted where zero is reduced, and renamed
        where the data set was built with some of its classes.

        Raises:
            InputError: If there is no label, or it can't be read.
        """
        name = self.get_ann_info(index)['seg_map']
        if name is None:
            raise InputError(f'image {self.image_path(index)} has no label: the data set was '
                             'built without ann_dir, so it can be predicted but not evaluated.')
        return self.to_class_ids(
            read_label_map(self.file_client, self.label_path(index), self.PREPARE))

    def to_class_ids(self, ids: np.ndarray) -> np.ndarray:
        """Class ids of the ids in a label file, of any shape; 255 is ignored."""
        ids = self.label_ids.apply(ids)
        if self.reduce_zero_label:
            ids = reduce_zero(ids, self.ignore_index)
        return remap(ids, self.label_map, self.ignore_index) if self.label_map else ids

    def get_gt_seg_maps(self, efficient_test: bool | None = None) -> Iterator[np.ndarray]:
        """Ground truth of all images in turn, as :meth:`get_gt_seg_map_by_idx` returns it."""
        return (self.get_gt_seg_map_by_idx(index) for index in range(len(self)))

    def pre_eval(self, preds: np.ndarray | list, indices: int | list[int]) -> list[tuple]:
        """Count right, predicted and labelled pixels of some predictions.

        Args:
            preds: Predicted class ids, one (H, W) map or a list of them.
            indices: The image of each.

        Returns:
            Per image (intersect, union, predicted, labelled), each (K,) int64.

        Raises:
            InputError: If a label can't be read, holds ids outside the
                classes, or differs in shape from the prediction; names the file.
        """
        preds = preds if isinstance(preds, list) else [preds]
        indices = indices if isinstance(indices, list) else [indices]
        return [self._areas(pred, index) for pred, index in zip(preds, indices)]

    def _areas(self, pred: np.ndarray, index: int) -> tuple:
        labels, name = self.get_gt_seg_map_by_idx(index), f'label file {self.label_path(index)}'
        if labels.shape == np.shape(pred)[::-1] != np.shape(pred):
            turned = why_turned(self.file_client, self.image_path(index), labels.shape)
            if turned:
                raise InputError(f'{name}: {turned}')
        return count_areas(pred, labels, len(self.CLASSES), self.ignore_index, name)

    def metrics(self, results: Sequence,
                metric: str | Sequence[str] = 'mIoU') -> SegmentationMetrics:
        """All metrics of a set of results, see :meth:`evaluate`."""
        # mmseg's hooks hand over label maps where pre_eval is off.
        if len(results) and mmcv.is_list_of(results, np.ndarray):
            self._check_count(results)
            results = self.pre_eval(results, list(range(len(results))))
        areas = sum_areas(results)
        if len(areas[0]) != len(self.CLASSES):
            raise InputError(f'the results count {len(areas[0])} classes, the data set has '
                             f'{len(self.CLASSES)}.')
        return segmentation_metrics(*areas, metrics=metric, unseen_ids=self.unseen_ids)

    def _check_count(self, results: Sequence) -> None:
        if len(results) != len(self):
            raise InputError(f'{len(results)} predictions were given for {len(self)} images.')

    def evaluate(self, results: Sequence, metric: str | Sequence[str] = 'mIoU',
                 logger: logging.Logger | str | None = None, **kwargs) -> dict[str, float]:
        """Score results, and log a table per class and a summary.

        Args:
            results: Outputs of :meth:`pre_eval` for all images, one such
                tuple summed over them, or the predictions themselves.
            metric: Among 'mIoU', 'mDice', 'mFscore'.
            logger: Where the tables go; None prints them.
            **kwargs: Accepted for mmseg's hooks, unused.

        Returns:
            Fractions: 'aAcc', 'mIoU', 'IoU.cat' and so on. NaN for a class
            absent from the ground truth; ``utils.to_plain`` makes that None.

        Raises:
            InputError: For an unknown metric or no results.
        """
        metrics = self.metrics(results, metric)
        print_log(f'per class results:\n{class_table(metrics, self.CLASSES)}', logger=logger)
        print_log(f'summary:\n{summary_table(metrics)}', logger=logger)
        return metrics.as_dict(self.CLASSES)
