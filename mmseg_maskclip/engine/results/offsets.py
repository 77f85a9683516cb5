"""The metrics of a test run over the offset of seen classes, from one pass."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any, Sequence

from mmcv.utils import print_log
from prettytable import PrettyTable
from torch import Tensor, nn

from mmseg_maskclip.datasets.checking import parts_of
from mmseg_maskclip.engine.distributed import is_main, sum_over_processes
from mmseg_maskclip.engine.samples import truth_of
from mmseg_maskclip.evaluation import (
    CalibrationCurve,
    OffsetCounts,
    calibration_curve,
    count_seen_wins,
    percent,
)
from mmseg_maskclip.models.refiners import View
from mmseg_maskclip.models.segmentors import TiledInference
from mmseg_maskclip.ops import best_in_groups
from mmseg_maskclip.utils import InputError, require_number, write_image
from mmseg_maskclip.visualization.calibration import draw_calibration

_FLAG = '--eval-options seen_offsets'
_SHOWN = ('mIoU(S)', 'mIoU(U)', 'hIoU', 'mIoU', 'pAcc')


class SeenOffsets:
    """Counts what each offset subtracted from the scores of seen classes would give.

    The unit is that of the scores that labels are chosen by: those of the model,
    activated where it has an activation, and the mean probability of flips and scales.

    Args:
        given: The offsets, or one.
        dataset: The test set.
        metrics: What is evaluated.

    Raises:
        InputError: If they are not distinct finite numbers, mIoU is not evaluated, or
            the classes of the test set are all seen or all unseen.
    """

    def __init__(self, given: Any, dataset: Any, metrics: Sequence[str]) -> None:
        self._offsets = _checked(given)
        if 'mIoU' not in metrics:
            raise InputError(f'{_FLAG} needs --eval mIoU, got {", ".join(metrics) or "no --eval"}.')
        self._dataset = dataset
        count = len(dataset.CLASSES)
        self._unseen = tuple(getattr(next(parts_of(dataset)), 'unseen_ids', ()))
        self._seen = tuple(index for index in range(count) if index not in self._unseen)
        if not self._unseen or not self._seen:
            raise InputError(f'{_FLAG} compares seen with unseen classes, got a test set with '
                             f'{len(self._unseen)} unseen ones of {count}: name some in '
                             'data.test.unseen.')
        self._counts = OffsetCounts(count, len(self._offsets))
        self._own = 0.0
        self._probabilities: Any = None
        # Labelled, and not counted yet: several where images go through the model together.
        self._waiting: deque[tuple[Tensor, Tensor, Tensor]] = deque()
        self._curve: CalibrationCurve | None = None

    def watch(self, model: nn.Module) -> None:
        """See the scores of the images that a model labels.

        Args:
            model: Before its first image.

        Raises:
            InputError: If its labels do not follow from scores of classes, or an offset of
                its own is for other classes.
        """
        if not isinstance(model, TiledInference):
            raise InputError(f'{_FLAG} needs the scores of a segmentor of this project, got a '
                             f'{type(model).__name__}.')
        refiners: Any = getattr(model, 'refiners', None)
        if refiners is not None and (refiners.needs_queries or refiners.closing is not None):
            raise InputError(f'{_FLAG} chooses labels by the scores of classes alone, got '
                             'model.refine with steps behind them: leave out Pamr, Background '
                             'and Closing.')
        self._own = float(getattr(model, 'seen_offset', 0.0))
        theirs = tuple(sorted(getattr(model, 'unseen', ())))
        if self._own and theirs != self._unseen:
            raise InputError(f'{_FLAG}: the model subtracts its seen_offset {self._own} with '
                             f'unseen classes {list(theirs)}, expected those of the test set, '
                             f'{list(self._unseen)}: set model.test_cfg.seen_offset=0.')
        self._probabilities = model.probabilities
        model.watch(self._see)

    def _see(self, views: Sequence[View], labels: Tensor) -> None:
        seen, unseen = best_in_groups([view.scores for view in views],
                                      (self._seen, self._unseen), self._probabilities)
        # The model's own offset is in its scores already; at it nothing is rounded twice.
        wins = count_seen_wins(seen, unseen, [offset - self._own for offset in self._offsets])
        self._waiting.append((seen[0], unseen[0], wins))

    def add(self, index: int) -> None:
        """Count the first image that was labelled and is not counted.

        Args:
            index: Of the image in the test set.

        Raises:
            InputError: If its label can't be read or doesn't fit.
        """
        if self._waiting:
            self._counts.add(*self._waiting.popleft(), *truth_of(self._dataset, index))

    def finish(self) -> None:
        """Sum over all processes."""
        counts = sum_over_processes(self._counts.counts)
        self._curve = calibration_curve(counts, self._offsets, self._unseen)

    def record(self) -> dict:
        """The curve, its area, and the offset that the model has itself."""
        if self._curve is None:
            return {}
        return {**self._curve.as_dict(), 'model_offset': self._own}

    def write_beside(self, record: Path) -> None:
        """Draw the curve beside the record of the metrics, and log it as a table.

        Args:
            record: The file.
        """
        if self._curve is None or not is_main():
            return
        path = record.with_name(f'{record.stem}_seen_offsets.png')
        write_image(path, draw_calibration(self._curve))
        print_log(f'over the offset of seen classes:\n{offset_table(self._curve)}', 'mmseg')
        print_log(f'Area under mIoU(U) over mIoU(S): {percent(self._curve.area)} %. Drawn: {path}',
                  'mmseg')


def offset_table(curve: CalibrationCurve) -> str:
    """One row an offset, in percent; a star marks the highest hIoU.

    Args:
        curve: The metrics.
    """
    table = PrettyTable(['offset', *_SHOWN])
    table.align = 'r'
    rows = [('seen alone', curve.seen_alone),
            *((f'{offset:g}{" *" if index == curve.best() else ""}', row)
              for index, (offset, row) in enumerate(zip(curve.offsets, curve.rows))),
            ('unseen alone', curve.unseen_alone)]
    for title, row in rows:
        table.add_row([title, *(percent(row[name]) for name in _SHOWN)])
    return table.get_string()


def _checked(given: Any) -> list[float]:
    offsets = list(given) if isinstance(given, (list, tuple)) else [given]
    if not offsets:
        raise InputError(f'{_FLAG} is empty, expected numbers such as [0,0.05,0.1].')
    for offset in offsets:
        require_number(offset, _FLAG, hint='such as seen_offsets=[0,0.05,0.1]')
    offsets = [float(offset) for offset in offsets]
    if len(set(offsets)) < len(offsets):
        raise InputError(f'{_FLAG} is {offsets}, expected different numbers.')
    return offsets
