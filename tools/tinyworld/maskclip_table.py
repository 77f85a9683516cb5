"""MaskCLIP on the embedded world in all its variants, as one table."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Callable, Iterator, Sequence

import numpy as np
from mmcv import Config

from mmseg_maskclip.clip import get_spec
from mmseg_maskclip.engine.build import build_test_dataset
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.test import TestOptions, test_model
from mmseg_maskclip.tinyworld import STUFF, THINGS

from docs.tables import markdown_table

TOWERS = {'TinyRN': 'maskclip_tinyrn_256x256_tinyworld',
          'TinyViT': 'maskclip_tinyvit_256x256_tinyworld'}
KEY_SMOOTHING = 1.0
PROMPT_DENOISING = 0.5
WEIGHTS = (('softmax', 'tau', (0.25, 0.5, 1.0, 2.0, 4.0)),
           ('log_prior', 'tau', (0.01, 0.02, 0.05, 0.1, 0.25)), ('gate', 'cw', (1.05, 1.1, 1.2)))
COLUMNS = ('mIoU', 'things', 'stuff', 'aAcc', 'mIoU(S)', 'mIoU(U)', 'hIoU')


def variants(config: Config) -> Iterator[tuple[str, Config]]:
    """Every variant of a tiny config with what it is called.

    Args:
        config: One of ``configs/tiny/maskclip_*``.
    """
    for fidelity in ('clip', 'paper'):
        for smoothing in (0.0, KEY_SMOOTHING):
            for denoising in (0.0, PROMPT_DENOISING):
                name = ' + '.join([fidelity] + ['key smoothing'] * bool(smoothing)
                                  + ['prompt denoising'] * bool(denoising))
                yield name, _changed(config, {'backbone.fidelity': fidelity,
                                              'decode_head.ks_thresh': smoothing,
                                              'decode_head.pd_thresh': denoising})
        yield (f'{fidelity}, attention left in place',
               _changed(config, {'backbone.fidelity': fidelity, 'decode_head.attn_pooling': True}))
        if config.model.backbone.type == 'ClipViT':
            yield (f'{fidelity}, values without residual',
                   _changed(config, {'backbone.fidelity': fidelity, 'backbone.readout': dict(
                       type='AttentionReadout', pairs='v', residual=False)}))


def weighted_variants(config: Config) -> Iterator[tuple[str, Config]]:
    """A tiny config without and with every kind of class weight.

    Args:
        config: One of ``configs/tiny/maskclip_*``.
    """
    yield 'none', config
    for classifier in dict.fromkeys(('TinyRN', config.model.backbone.arch)):
        for mode, key, values in WEIGHTS:
            for value in values:
                weight = {'mode': mode, key: value, 'classifier': classifier}
                yield (f'{mode}, {key}={value:g}, classifier {classifier}',
                       _changed(config, {'class_weight': weight}))


def _changed(config: Config, options: dict) -> Config:
    changed = copy.deepcopy(config)
    changed.merge_from_dict({f'model.{key}': value for key, value in options.items()})
    return changed


def constant_guess(config: Config) -> dict:
    """Metrics of answering the most frequent class everywhere."""
    dataset = build_test_dataset(config)
    labels = [dataset.get_gt_seg_map_by_idx(index) for index in range(len(dataset))]
    areas = np.bincount(np.concatenate([one.ravel() for one in labels]),
                        minlength=len(dataset.CLASSES))
    best = int(areas.argmax())
    results = [np.full_like(one, best) for one in labels]
    return _row(dataset.evaluate(results, logger='silent'))


def _row(metrics: dict) -> dict:
    def mean(names: tuple[str, ...]) -> float:
        return float(np.mean([metrics[f'IoU.{name}'] for name in names]))

    known = {**metrics, 'things': mean(THINGS), 'stuff': mean(STUFF)}
    return {name: 100 * known[name] for name in COLUMNS}


def tinyworld_rows(root: Path, world: Path, work_dir: Path,
                   towers: Sequence[str] = tuple(TOWERS),
                   ways: Callable[[Config], Iterator[tuple[str, Config]]] = variants
                   ) -> list[dict]:
    """Test all variants of both towers.

    Args:
        root: The project's root, where the configs are.
        world: The written world.
        work_dir: Where the records of the runs go.
        towers: Which of :data:`TOWERS`.
        ways: :func:`variants` or :func:`weighted_variants`.

    Returns:
        One dict a variant: tower, variant, metrics in percent.
    """
    rows = []
    for tower in towers:
        config = load_config(str(root / f'configs/tiny/{TOWERS[tower]}.py'),
                             {'data.test.data_root': str(world)})
        for name, variant in ways(config):
            metrics = test_model(variant, get_spec(tower).weights, TestOptions(
                metrics=['mIoU'], work_dir=str(work_dir)))
            rows.append({'tower': tower, 'variant': name, **_row(metrics)})
    rows.append({'tower': '', 'variant': 'the most frequent class everywhere',
                 **constant_guess(config)})
    return rows


def markdown(rows: list[dict]) -> str:
    """The rows as a Markdown table, one decimal."""
    return markdown_table(['tower', 'variant', *COLUMNS], (
        [row['tower'], row['variant'], *(f'{row[name]:.1f}' for name in COLUMNS)]
        for row in rows), numbers=COLUMNS)
