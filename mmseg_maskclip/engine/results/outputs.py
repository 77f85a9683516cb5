"""Everything a test run makes of label maps beside metrics."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mmcv
import numpy as np
from mmcv.utils import print_log
from torch import nn

from mmseg_maskclip.engine.distributed import is_main, merge_dicts
from mmseg_maskclip.engine.inference import picture_of
from mmseg_maskclip.engine.results.confusion import ConfusionFiles
from mmseg_maskclip.engine.results.label_files import (
    LabelFiles,
    check_folder,
    folder_of,
    name_within,
)
from mmseg_maskclip.engine.results.offsets import SeenOffsets
from mmseg_maskclip.engine.results.queries import QueryMaps
from mmseg_maskclip.utils import InputError, atomic_path, writable_dir, write_image
from mmseg_maskclip.visualization.overlay import add_legend, classes_present, overlay

if TYPE_CHECKING:
    from mmseg_maskclip.engine.results.options import TestOptions

_CONFUSION = 'confusion'
_OFFSETS = 'seen_offsets'
# Arguments of a data set's evaluate that are not the user's, and what gives them.
_GIVEN = {'metric': 'use --eval', 'results': 'they are those of the model',
          'logger': 'it is the log of the run'}


class Outputs:
    """What of all this the options name.

    Label maps in one file, pictures, heat maps, label files, a confusion matrix, metrics over an
    offset.

    Args:
        dataset: The test set.
        options: What is wanted.

    Raises:
        InputError: If something can't be written, or does not go together.
    """

    def __init__(self, dataset: Any, options: TestOptions) -> None:
        self._dataset = dataset
        self._options = options
        self._maps: dict[int, np.ndarray] = {}
        self._label_files: LabelFiles | None = None
        self._confusion: ConfusionFiles | None = None
        self._offsets: SeenOffsets | None = None
        self._queries: QueryMaps | None = None
        #: What is left of the options for the data set's ``evaluate``.
        self.eval_options = {key: value for key, value in options.eval_options.items()
                             if key not in (_CONFUSION, _OFFSETS)}
        if options.show_dir:
            # In this order: a refused run leaves no folder among the images.
            check_folder(options.show_dir, '--show-dir', dataset)
            writable_dir(options.show_dir, '--show-dir')
        if options.show_queries:
            self._queries = QueryMaps(options.show_queries, dataset)
        if options.format_only:
            self._label_files = LabelFiles(dataset, options.eval_options, options.work_dir)
        self._check_apart()
        if options.format_only:
            return
        if _CONFUSION in options.eval_options:
            if not options.metrics:
                raise InputError(f'--eval-options {_CONFUSION} needs --eval mIoU: it compares '
                                 'with labels.')
            self._confusion = ConfusionFiles(options.eval_options[_CONFUSION], dataset)
        if _OFFSETS in options.eval_options:
            self._offsets = SeenOffsets(options.eval_options[_OFFSETS], dataset, options.metrics)
        for key in self.eval_options:
            if key in _GIVEN:
                raise InputError(f'--eval-options {key} cannot be set: {_GIVEN[key]}.')
        known = signature(dataset.evaluate).parameters if options.metrics else ()
        unread = [key for key in self.eval_options if key not in known]
        if unread:
            print_log(f'--eval-options {", ".join(unread)}: nothing reads that.', 'mmseg', level=30)

    def _check_apart(self) -> None:
        """Refuse to write two pictures of one name into one folder."""
        if self._queries is None:
            return
        label_files = self._label_files.folder if self._label_files else None
        for flag, folder in (('--show-dir', self._options.show_dir),
                             ('--format-only', label_files)):
            if folder and Path(folder).resolve() == Path(self._queries.folder).resolve():
                raise InputError(f'--show-queries and {flag} both write to {folder}: expected two '
                                 'folders, since their pictures have the same names.')

    def watch(self, model: nn.Module) -> None:
        """See the scores of the images that a model labels, where something needs them.

        Args:
            model: Before its first image.

        Raises:
            InputError: If it is none that has them.
        """
        for watcher in (self._offsets, self._queries):
            if watcher:
                watcher.watch(model)

    def add(self, labels: np.ndarray, index: int, sample: dict) -> None:
        """Use one label map.

        Args:
            labels: Class ids, (H, W).
            index: Of the image in the test set.
            sample: What the pipeline made of the image.

        Raises:
            InputError: If it can't be written, or its label doesn't fit.
        """
        if self._options.out:
            # All maps stay in memory until the end: one byte a pixel, not the eight of int64.
            narrow = len(self._dataset.CLASSES) <= 256
            self._maps[index] = labels.astype(np.uint8 if narrow else np.int16)
        if self._options.show_dir:
            self._draw(labels, index, sample)
        if self._label_files:
            self._label_files.write(labels, index)
        if self._confusion:
            self._confusion.add(labels, index)
        if self._offsets:
            self._offsets.add(index)
        if self._queries:
            self._queries.draw(index, sample)

    def _draw(self, labels: np.ndarray, index: int, sample: dict) -> None:
        names, palette = self._dataset.CLASSES, self._dataset.PALETTE
        drawing = overlay(picture_of(sample, labels.shape), labels, palette, self._options.opacity)
        drawing = add_legend(drawing, classes_present(labels, len(names)), names, palette)
        filename = sample['img_metas'][0].data['ori_filename']
        folder = folder_of(self._options.show_dir or '', self._dataset, index)
        write_image(folder / name_within(filename), drawing)

    def finish(self) -> None:
        """Write what is made of all images together; every process must call it."""
        if self._label_files and is_main():
            self._label_files.finish()
        if self._confusion:
            self._confusion.finish()
        if self._offsets:
            self._offsets.finish()
        if self._options.out:
            self._write_maps(self._options.out)

    def record(self) -> dict:
        """Entries of the record of the metrics; once everything is finished."""
        return {} if self._offsets is None else {_OFFSETS: self._offsets.record()}

    def write_beside(self, record: Path) -> None:
        """Write what stands beside the record of the metrics, and log it.

        Args:
            record: The file.
        """
        if self._offsets:
            self._offsets.write_beside(record)

    def _write_maps(self, out: str) -> None:
        folder = Path(self._options.tmpdir or self._options.work_dir)
        merged = merge_dicts(self._maps, folder, self._options.gpu_collect)
        if merged is None:
            return
        with atomic_path(out) as name:
            mmcv.dump([merged.get(index) for index in range(len(self._dataset))], str(name))
        print_log(f'Label maps of {len(merged)} images: {out}', 'mmseg')
