"""What a training run logs."""

from __future__ import annotations

import contextlib
import importlib
import logging
from pathlib import Path
from typing import Iterator

from mmcv import Config
from mmcv.runner import get_dist_info
from mmcv.utils import get_logger, print_log
from mmseg.utils import get_root_logger

from mmseg_maskclip.engine.distributed import device_of_process, is_main
from mmseg_maskclip.engine.record import versions
from mmseg_maskclip.engine.train.resume import TrainOptions


@contextlib.contextmanager
def log_file(path: Path, level: str) -> Iterator[logging.Logger]:
    """mmseg's logger, writing also to a file of this run; silent in other processes.

    Args:
        path: The file.
        level: Such as ``'INFO'``.
    """
    logger = get_root_logger(log_level=level)
    logger.setLevel(level if is_main() else logging.ERROR)
    handler = logging.FileHandler(path) if is_main() else logging.NullHandler()
    handler.setFormatter(logging.Formatter('%(asctime)s - %(name)s - %(levelname)s - %(message)s'))
    logger.addHandler(handler)
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        handler.close()


def log_start(logger: logging.Logger, text: str, options: TrainOptions, seed: int,
              note: str | None = None) -> None:
    """Log what the run depends on.

    Args:
        logger: Of the run.
        text: The config.
        options: How it was started.
        seed: Its seed.
        note: A warning about its precision.
    """
    found = ', '.join(f'{name} {version}' for name, version in versions().items())
    logger.info(f'Versions: {found}')
    logger.info(f'Processes: {get_dist_info()[1]}, device: {device_of_process()}, precision: '
                f'{options.amp or "fp32"}')
    if note:
        logger.warning(note)
    logger.info(f'Seed: {seed}, deterministic: {options.deterministic}')
    logger.info(f'Config:\n{text}')


@contextlib.contextmanager
def quiet_mmcv() -> Iterator[None]:
    """Silence mmcv's message about every single parameter."""
    logger = get_logger('mmcv')
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def usable_log_config(config: Config) -> dict | None:
    """``log_config``, without TensorBoard where that is not installed."""
    log_config = config.get('log_config')
    if log_config is None:
        return None
    kept = [hook for hook in log_config['hooks'] if hook['type'] != 'TensorboardLoggerHook']
    if len(kept) == len(log_config['hooks']):
        return log_config
    try:
        importlib.import_module('torch.utils.tensorboard')
    except ImportError as error:
        print_log(f'Nothing is logged to TensorBoard ({error}): pip install tensorboard', 'mmseg')
        return {**log_config, 'hooks': kept}
    return log_config
