"""Run a segmentor over a test set: metrics, pictures, files."""

from __future__ import annotations

import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Sequence

import numpy as np
import torch
from mmcv import Config
from mmcv.runner import get_dist_info
from mmcv.utils import print_log
from torch import Tensor, nn

from mmseg_maskclip.datasets import UnreadableSample
from mmseg_maskclip.datasets.checking import MORE, LabelCounts, parts_of, suspicion
from mmseg_maskclip.engine.border import from_config
from mmseg_maskclip.engine.build import build_model, build_test_dataset
from mmseg_maskclip.engine.class_names import check_classes, check_trained_classes, warn_of_split
from mmseg_maskclip.engine.distributed import (
    device_of_process,
    is_main,
    main_process_first,
    merge_dicts,
    sum_over_processes,
)
from mmseg_maskclip.engine.inference import grouped, label_samples, samples_of_process
from mmseg_maskclip.engine.precision import inference_precision
from mmseg_maskclip.engine.record import timestamp, unused_name, versions, write_json
from mmseg_maskclip.engine.results.options import TestOptions
from mmseg_maskclip.engine.results.outputs import Outputs
from mmseg_maskclip.engine.samples import NamedFailures
from mmseg_maskclip.engine.unread import warn_of_unread
from mmseg_maskclip.evaluation import check_metrics
from mmseg_maskclip.evaluation.areas import AREAS
from mmseg_maskclip.models.weights.files import locate_weights
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.ops.precision import running_in
from mmseg_maskclip.utils import (
    InputError,
    TooSmallError,
    in_background,
    progress_bar,
    require_number,
    sha256_of,
    writable_dir,
)


class _Totals:
    """Running totals over the images: areas, and label maps only where they are saved."""

    def __init__(self) -> None:
        self.areas: Tensor | None = None
        self.unreadable: dict[str, str] = {}
        self.seen = torch.zeros(2, dtype=torch.int64)

    def add(self, per_image: list) -> None:
        """Add the pixel counts of some images."""
        for areas in per_image:
            stacked = torch.stack([torch.as_tensor(area) for area in areas])
            self.areas = stacked if self.areas is None else self.areas + stacked


def test_model(config: Config, checkpoint: str, options: TestOptions) -> dict | None:
    """Test a model by its config.

    Args:
        config: A config with ``model`` and ``data.test``.
        checkpoint: A checkpoint of the model, or a CLIP file for MaskCLIP.
        options: What to evaluate, write and draw.

    Returns:
        The metrics, or None if none were requested (and in all processes but
        the main one).

    Raises:
        InputError: If any user input is wrong.
    """
    warn_of_unread(config)
    checkpoint = str(locate_weights(checkpoint))
    _prepare(options)
    device = device_of_process()
    precision = inference_precision(config, device, options.precision)
    dataset = build_test_dataset(config, skip_unreadable=True)
    _check_options(dataset, options)
    outputs = Outputs(dataset, options)
    model = build_model(config)
    check_classes(model, dataset)
    outputs.watch(model)
    with main_process_first(), from_config('the model', 'cannot be given its weights'):
        meta = load_weights(model, checkpoint, str(device))
    # Other classes than it was trained for may well be as many.
    if not config.model.get('transfer', False):
        check_trained_classes(meta, dataset)
    warn_of_split(model, meta, dataset)
    model.CLASSES, model.PALETTE = dataset.CLASSES, dataset.PALETTE
    started = time.time()
    totals = _run(model.to(device).eval(), dataset, config, options, outputs, precision)
    outputs.finish()
    if not options.metrics:
        return None
    # Before all but the main process leave: every process has a part of the sum.
    areas = sum_over_processes(_areas(totals, dataset))
    images, pixels = sum_over_processes(totals.seen).tolist()
    if not is_main():
        return None
    metrics = dataset.evaluate([tuple(areas)], metric=options.metrics, logger='mmseg',
                               **outputs.eval_options)
    _warn_of_labels(areas[AREAS.index('label')], images, pixels, dataset)
    extra = {'fidelity': getattr(getattr(model, 'backbone', None), 'fidelity', None),
             'precision': precision, 'batch': options.batch,
             'seconds': round(time.time() - started, 2), **outputs.record(), **options.extra}
    outputs.write_beside(_write_record(metrics, config, checkpoint, totals, extra, options))
    return metrics


# By its name pytest would take it for a test wherever it is imported.
test_model.__test__ = False


def _prepare(options: TestOptions) -> None:
    """Check what is to be written before an hour of work, not after."""
    if options.out and not options.out.endswith(('.pkl', '.pickle')):
        raise InputError(f'--out is {options.out}, expected a name ending in .pkl.')
    require_number(options.opacity, '--opacity', above=0, maximum=1)
    require_number(options.batch, '--batch', minimum=1, whole=True)
    if options.out and Path(options.out).is_dir():
        raise InputError(f'--out {options.out} is a folder, expected a file.')
    writable_dir(options.work_dir, 'work dir')
    if options.tmpdir:
        writable_dir(options.tmpdir, '--tmpdir')
    if options.out:
        writable_dir(Path(options.out).parent, 'folder of --out')


def _check_options(dataset: Any, options: TestOptions) -> None:
    """Refuse what this data set can't do, before the weights are loaded."""
    name = type(dataset).__name__
    if options.metrics:
        if dataset.ann_dir is None:
            raise InputError(f'--eval: {name} has no labels to compare with; use --show-dir or '
                             '--out.')
        check_metrics(options.metrics)


def _run(model: nn.Module, dataset: Any, config: Config, options: TestOptions,
         outputs: Outputs, precision: str) -> _Totals:
    device = next(model.parameters()).device
    totals = _Totals()
    world = get_dist_info()[1]
    use = partial(_use, totals=totals, dataset=NamedFailures(dataset, 'data.test'),
                  options=options, outputs=outputs)
    samples = samples_of_process(dataset, config, options.batch, pin=device.type == 'cuda')
    labelled = False
    # Metrics and files are a thread's work: the model goes on, and a GPU does not wait.
    with progress_bar(len(dataset), 'test', 'image', shown=is_main()) as bar, \
            in_background() as hand_over:
        for group in grouped(samples, options.batch, model):
            found = [pair for pair in group if not isinstance(pair[1], UnreadableSample)]
            for _, sample in group:
                if isinstance(sample, UnreadableSample):
                    totals.unreadable[sample.filename] = sample.reason
            if found:
                # On the first image settings show their faults that no check knows.
                try:
                    with running_in(precision, device), nullcontext() if labelled else from_config(
                            'testing', 'fails on an image'):
                        maps = label_samples(model, [sample for _, sample in found], device)
                except TooSmallError as error:
                    totals.unreadable.update((_file_of(sample), str(error)) for _, sample in found)
                else:
                    labelled = True
                    hand_over(use, maps, found)
            # The bar counts all processes, of which the others are about as far.
            bar.update(min(world * len(group), len(dataset) - bar.n))
    _report_unreadable(totals, dataset, Path(options.work_dir))
    return totals


def _file_of(sample: dict) -> str:
    return sample['img_metas'][0].data['filename']


def _use(maps: Sequence[np.ndarray], samples: Sequence[tuple[int, dict]], totals: _Totals,
         dataset: NamedFailures, options: TestOptions, outputs: Outputs) -> None:
    """Compare some label maps with the truth, and write what is made of each."""
    for labels, (index, sample) in zip(maps, samples):
        if options.metrics:
            totals.add(dataset.pre_eval([labels], [index]))
            totals.seen += torch.tensor([1, labels.size])
        outputs.add(labels, index, sample)


def _report_unreadable(totals: _Totals, dataset: Any, folder: Path) -> None:
    """Name and count, over all processes, what could not be read."""
    totals.unreadable = merge_dicts(totals.unreadable, folder, use_device=True) or {}
    if not totals.unreadable:
        return
    for filename, reason in totals.unreadable.items():
        print_log(f'{filename} was left out: {reason}', 'mmseg', level=30)
    print_log(f'{len(totals.unreadable)} of {len(dataset)} images could not be used and were '
              'left out of the metrics', 'mmseg', level=30)
    if len(totals.unreadable) == len(dataset):
        filename, reason = list(totals.unreadable.items())[-1]
        raise InputError(f'none of the {len(dataset)} images could be used, the last one '
                         f'{filename}: {reason}.')


def _areas(totals: _Totals, dataset: Any) -> Tensor:
    if totals.areas is not None:
        return totals.areas
    # With more processes than images one has nothing to add, but must join the sum.
    return torch.zeros(4, len(dataset.CLASSES), dtype=torch.int64)


def _warn_of_labels(labelled: Tensor, images: int, pixels: int, dataset: Any) -> None:
    """Say beside the metrics if the labels they come from can't be right."""
    counts = LabelCounts(labelled.numpy().astype(np.int64), files=images, file_ids=None,
                         ignored=pixels - int(labelled.sum()))
    odd = suspicion(counts, dataset.CLASSES, reduce_zero_label=getattr(
        next(parts_of(dataset)), 'reduce_zero_label', False))
    if odd:
        print_log(f'The metrics say little: {odd}. {MORE}', 'mmseg', level=30)


def _write_record(metrics: dict, config: Config, checkpoint: str, totals: _Totals, extra: dict,
                  options: TestOptions) -> Path:
    scale = 'multi' if options.extra.get('aug_test') else 'single'
    path = unused_name(Path(options.work_dir) / f'eval_{scale}_scale_{timestamp()}.json')
    write_json(path, {
        'config': config.filename, 'checkpoint': str(checkpoint),
        'checkpoint_sha256': sha256_of(checkpoint), 'metric': metrics,
        'unreadable': totals.unreadable, 'processes': get_dist_info()[1], **extra,
        'versions': versions(), 'model': config.model, 'data': config.data.test})
    print_log(f'Metrics: {path}', 'mmseg')
    return path
