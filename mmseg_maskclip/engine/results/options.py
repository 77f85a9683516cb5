"""What a test run does with its label maps."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class TestOptions:
    """What a test run does with its label maps.

    Attributes:
        metrics: Metrics to evaluate, empty for none.
        eval_options: Keyword arguments for the dataset's ``evaluate``, or what
            :class:`LabelFiles` takes; ``confusion`` names the files of a
            confusion matrix, see :class:`ConfusionFiles`, ``seen_offsets`` the
            offsets of a calibration curve, see :class:`SeenOffsets`.
        out: Pickle file for all label maps.
        show_dir: Folder for pictures.
        show_queries: Folder for heat maps of the queries of a model that has some.
        opacity: Of the labels drawn over the pictures.
        format_only: Write the label maps as files, see :class:`LabelFiles`.
        work_dir: Folder of the record of the metrics.
        gpu_collect: Merge label maps through the process group.
        tmpdir: Folder through which label maps are merged otherwise; None is
            the work dir.
        precision: That of the forward pass, one of ``ops.precision.PRECISIONS``;
            None is what the config says.
        batch: Images in a row whose network inputs have one size and go through
            the model together.
        extra: Further entries of the record (corruption, scale, command line).
    """

    __test__ = False

    metrics: list[str] = field(default_factory=list)
    eval_options: dict = field(default_factory=dict)
    out: str | None = None
    show_dir: str | None = None
    show_queries: str | None = None
    opacity: float = 0.5
    format_only: bool = False
    work_dir: str = 'work_dirs'
    gpu_collect: bool = False
    tmpdir: str | None = None
    precision: str | None = None
    batch: int = 1
    extra: dict = field(default_factory=dict)
