"""Training-free read-outs on the embedded world, as one table."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Sequence

from mmcv import Config, ConfigDict

from mmseg_maskclip.clip import get_spec
from mmseg_maskclip.engine.heads import compose
from mmseg_maskclip.engine.test import TestOptions, test_model
from mmseg_maskclip.tinyworld import STUFF, THINGS

from docs.tables import markdown_table

TOWERS = ('TinyViT', 'TinyViT8')
METHODS = {
    'clip': 'CLIP', 'maskclip_full': 'MaskCLIP', 'maskclip': 'MaskCLIP, reduced tail',
    'sclip': 'SCLIP', 'clearclip': 'ClearCLIP', 'naclip': 'NACLIP', 'naclip_pamr': 'NACLIP + PAMR',
    'gem': 'GEM', 'surgery': 'CLIP Surgery', 'resclip': 'ResCLIP', 'scclip': 'SC-CLIP',
    'itaclip': 'ITACLIP'}
# They read blocks in the middle, which a tower of two blocks does not have.
DEEP = ('resclip', 'scclip', 'itaclip')
MODES = {'windows': None, 'whole': ConfigDict(mode='whole')}
COLUMNS = ('windows', 'things', 'stuff', 'aAcc', 'whole')


def method_config(method: str, tower: str) -> Config:
    """A method on the embedded world, in windows of the size it was pretrained at.

    Args:
        method: One of :data:`METHODS`.
        tower: One of :data:`TOWERS`.
    """
    # MaskCLIP's own read-out is that of configs/maskclip; among the heads stands its reduced tail.
    config = compose('maskclip' if method == 'maskclip_full' else method, 'tinyworld', clip=tower)
    if method == 'maskclip_full':
        config.model.backbone.readout.update(residual=True, ffn=True)
    return config


def readout_rows(world: Path, work_dir: Path, towers: Sequence[str] = TOWERS,
                 methods: Sequence[str] = tuple(METHODS)) -> Iterator[dict]:
    """Test all methods on the towers, in windows and on whole pictures.

    Args:
        world: The written world.
        work_dir: Where the records of the runs go.
        towers: Which of :data:`TOWERS`.
        methods: Which of :data:`METHODS`.

    Yields:
        One dict a method: tower, method, metrics in percent.
    """
    for tower in towers:
        spec = get_spec(tower)
        for method in methods:
            if method in DEEP and spec.layers < 8:
                continue
            row = {'tower': tower, 'method': METHODS[method]}
            for mode, test_cfg in MODES.items():
                config = method_config(method, tower)
                config.data.test.data_root = str(world)
                if test_cfg is not None:
                    config.model.test_cfg = test_cfg
                metrics = test_model(config, spec.weights, TestOptions(
                    metrics=['mIoU'], work_dir=str(work_dir)))
                row.update(_metrics(metrics, mode))
            yield row


def _metrics(metrics: dict, mode: str) -> dict:
    if mode == 'whole':
        return {'whole': 100 * metrics['mIoU']}
    parts = {name: sum(metrics[f'IoU.{one}'] for one in classes) / len(classes)
             for name, classes in (('things', THINGS), ('stuff', STUFF))}
    return {name: 100 * value for name, value in (
        ('windows', metrics['mIoU']), *parts.items(), ('aAcc', metrics['aAcc']))}


def markdown(rows: list[dict]) -> str:
    """The rows as a Markdown table, one decimal."""
    return markdown_table(['tower', 'method', *COLUMNS], (
        [row['tower'], row['method'], *(f'{row[name]:.1f}' for name in COLUMNS)]
        for row in rows), numbers=COLUMNS)
