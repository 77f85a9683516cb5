"""One image each way before a run: what is wrong shows at the start, not after an hour."""

from __future__ import annotations

import difflib
from typing import Any, Mapping

import numpy as np
from mmcv.parallel import DataContainer, collate
from torch import nn

from mmseg_maskclip.engine.border import from_config
from mmseg_maskclip.engine.inference import label_sample
from mmseg_maskclip.engine.samples import NamedFailures
from mmseg_maskclip.engine.train.data import SeededSamples
from mmseg_maskclip.utils import InputError

_NEEDED = ('img', 'img_metas', 'gt_semantic_seg')
_SHOWN = 12


def rehearse_sample(dataset: Any, seed: int) -> None:
    """Make one training sample, as a loader's worker would, and a batch of it.

    Args:
        dataset: The training data.
        seed: Of the run.

    Raises:
        InputError: If the pipeline can't do that, or leaves something out.
    """
    with from_config('data.train.pipeline', 'fails on the first image'):
        sample = SeededSamples(dataset, seed)[0, 0]
        missing = [key for key in _NEEDED if not isinstance(sample, Mapping)
                   or not isinstance(sample.get(key), DataContainer)]
        if missing:
            raise InputError(f'data.train.pipeline gives no {missing[0]!r} as training needs it: '
                             "end it with dict(type='DefaultFormatBundle') and "
                             "dict(type='Collect', keys=['img', 'gt_semantic_seg']).")
        collate([sample], samples_per_gpu=1)


def rehearse_evaluation(model: nn.Module, dataset: Any, arguments: Mapping) -> list[str]:
    """Evaluate one image.

    Args:
        model: The segmentor, on the device of this process.
        dataset: The validation data, perhaps several that are joined.
        arguments: Keyword arguments of the data set's ``evaluate``.

    Returns:
        Names of the metrics that evaluating gives.

    Raises:
        InputError: If something does not fit.
    """
    named = NamedFailures(dataset, 'data.val')
    was_training = model.training
    with from_config('evaluating data.val', 'fails on the first image'):
        found = label_sample(model.eval(), named[0], next(model.parameters()).device)
        areas = named.pre_eval([found], [0])
    model.train(was_training)
    separate = getattr(dataset, 'separate_eval', False)
    with from_config('evaluation', 'does not work'), np.errstate(all='ignore'):
        names = [[*part.evaluate(list(areas), logger='silent', **arguments)]
                 for part in (dataset.datasets if separate else [dataset])]
    # Several sets are numbered as mmseg does.
    return [f'{index}_{name}' if separate else name
            for index, part in enumerate(names) for name in part]


def check_best(save_best: str | None, names: list[str]) -> None:
    """Refuse a metric that no evaluation gives, and by which no checkpoint can be the best.

    Args:
        save_best: ``evaluation.save_best``.
        names: Of the metrics that evaluating gives.

    Raises:
        InputError: If it is none of them, or can't be part of a file's name.
    """
    if save_best in (None, 'auto'):
        return
    if save_best not in names:
        near = difflib.get_close_matches(str(save_best), names, n=1)
        hint = f', did you mean {near[0]!r}?' if near else '.'
        raise InputError(f"evaluation.save_best is {save_best!r}, expected 'auto' or one of "
                         f'{", ".join(names[:_SHOWN])}{", ..." * (len(names) > _SHOWN)}{hint}')
    if '/' in save_best:
        raise InputError(f'evaluation.save_best is {save_best!r}, which cannot be part of the '
                         "best checkpoint's file name: choose a metric over all classes.")
