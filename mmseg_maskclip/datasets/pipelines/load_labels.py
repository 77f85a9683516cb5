"""Reading the labels of a training step: some withheld, or none there at all."""

from __future__ import annotations

import os.path as osp
from collections.abc import Sequence

import mmcv
import numpy as np
from mmseg.datasets.builder import PIPELINES

from mmseg_maskclip.datasets.label_ids import LabelIds
from mmseg_maskclip.datasets.reading import UNLABELLED_HINT, read_label_map, why_turned
from mmseg_maskclip.datasets.splits import reduce_zero, remap
from mmseg_maskclip.ops import IGNORED, UNLABELLED
from mmseg_maskclip.utils import InputError

# Label 255 is ignored everywhere, so no file holds more ids than a byte does.
IDS = 256


@PIPELINES.register_module()
class LoadLabels:
    """Load a label map in which -1 is unlabelled and 255 ignored.

    Ids of the file are renamed (a data set built with some of its classes),
    shifted down (a data set that reduces zero), and last withheld: a class
    that is to be unlabelled becomes -1. Where the data set has no labels
    everything is -1.

    What to withhold is set by the data set (``unlabelled`` and
    ``unlabel_ignored`` of :class:`OpenVocabularyMixin`); the arguments here add
    to it. Must follow ``LoadImageFromFile``.

    Args:
        reduce_zero_label: Whether id 0 of the file is ignored and the others
            are shifted down; None follows the data set.
        suppress_labels: Ids of classes that become -1, after that shift.
        unlabel_ignored: Whether ignored pixels become -1 too. Without it the
            annotation still shows where background and void are, even where
            all classes are withheld, as in the published annotation-free
            configs.
        file_client_args: Where files come from, as in mmcv; by default disk.

    Raises:
        InputError: If ``suppress_labels`` has an id that can't be a class.
    """

    def __init__(self, reduce_zero_label: bool | None = None,
                 suppress_labels: Sequence[int] = (), unlabel_ignored: bool = False,
                 file_client_args: dict | None = None) -> None:
        wrong = [index for index in suppress_labels if not 0 <= index < IGNORED]
        if wrong:
            raise InputError(f'suppress_labels holds {wrong[0]}, expected class ids from 0 to '
                             f'{IGNORED - 1}.')
        self.reduce_zero_label = reduce_zero_label
        self.suppress_labels = tuple(suppress_labels)
        self.unlabel_ignored = unlabel_ignored
        self.file_client_args = dict(file_client_args or {'backend': 'disk'})
        self._client: mmcv.FileClient | None = None

    def __call__(self, results: dict) -> dict:
        """Add ``results['gt_semantic_seg']``, (H, W).

        The map is int16, which all later steps accept and OpenCV can resize;
        mmseg's ``DefaultFormatBundle`` makes it int64.

        Raises:
            InputError: If the label can't be read, holds ids outside the
                classes, or has another size than the image; names the file.
        """
        size = _image_size(results)
        name = results['ann_info'].get('seg_map')
        if name is None:
            labels = np.full(size, UNLABELLED, dtype=np.int16)
        else:
            path = osp.join(results.get('seg_prefix') or '', name)
            labels = self._read(path, size, results)
        results['gt_semantic_seg'] = labels
        results['seg_fields'].append('gt_semantic_seg')
        return results

    def _read(self, path: str, size: tuple[int, int], results: dict) -> np.ndarray:
        # Opened here and not in the constructor: each worker process opens its own.
        if self._client is None:
            self._client = mmcv.FileClient(**self.file_client_args)
        ids = read_label_map(self._client, path, UNLABELLED_HINT)
        if ids.shape != size:
            turned = why_turned(self._client, results.get('filename') or '', ids.shape)
            if turned:
                raise InputError(f'label file {path}: {turned}')
            raise InputError(f'label file {path} is {ids.shape[1]} x {ids.shape[0]} pixels, its '
                             f'image {size[1]} x {size[0]}: they must have the same size.')
        ids = results.get('label_ids', LabelIds()).apply(ids)
        if ids.size and (ids.min() < 0 or ids.max() >= IDS):
            _refuse(path, ids[(ids < 0) | (ids >= IDS)])
        # Everything is decided on the table of 256 ids, and looked up for the pixels once.
        final = self._final_ids(results)
        num_classes = results.get('num_classes', IGNORED)
        outside = (final >= num_classes) & (final != IGNORED)
        if outside[ids].any():
            _refuse(path, ids[outside[ids]], num_classes)
        return self._withheld(final, results)[ids]

    def _final_ids(self, results: dict) -> np.ndarray:
        """Class id of every id a file may hold, (256,) int16."""
        reduce = self.reduce_zero_label
        if reduce is None:
            reduce = results.get('reduce_zero_label', False)
        ids = np.arange(IDS)
        if results.get('label_map') is not None:
            ids = remap(ids, results['label_map'], IGNORED)
        return (reduce_zero(ids, IGNORED) if reduce else ids).astype(np.int16)

    def _withheld(self, final: np.ndarray, results: dict) -> np.ndarray:
        withheld = [*self.suppress_labels, *results.get('suppress_labels', ())]
        if self.unlabel_ignored or results.get('unlabel_ignored', False):
            withheld.append(IGNORED)
        return np.where(np.isin(final, withheld), np.int16(UNLABELLED), final)

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(reduce_zero_label={self.reduce_zero_label}, '
                f'suppress_labels={self.suppress_labels}, '
                f'unlabel_ignored={self.unlabel_ignored})')


def _image_size(results: dict) -> tuple[int, int]:
    if 'img' not in results:
        raise InputError('LoadLabels found no image: it must follow LoadImageFromFile in '
                         'the pipeline.')
    return results['img'].shape[:2]


def _refuse(path: str, ids: np.ndarray, num_classes: int | None = None) -> None:
    found = ', '.join(str(index) for index in np.unique(ids)[:5])
    classes = f' of {num_classes} classes' if num_classes else ''
    raise InputError(f'label file {path} holds id {found}, which is outside the labels{classes}: '
                     'check the data set of the config, its reduce_zero_label, and whether the '
                     'labels were converted (docs/datasets.md).')
