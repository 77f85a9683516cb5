"""The moving averages that mmcv's ``EMAHook`` keeps in the state dict itself."""

from __future__ import annotations

from pathlib import Path
from typing import Mapping

from mmcv.utils import print_log
from torch import Tensor

_PREFIX = 'ema_'


def split_averages(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Tell the averages apart from what they are averages of.

    The hook makes each parameter's a buffer of the model, named ``ema_`` and
    the parameter's name with underscores for dots.

    Args:
        state: A state dict.

    Returns:
        The model's own entries, and the averages.
    """
    names = {f'{_PREFIX}{key.replace(".", "_")}' for key in state}
    return ({key: value for key, value in state.items() if key not in names},
            {key: value for key, value in state.items() if key in names})


def without_averages(state: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """A state dict without them; one line of the log tells where there were any.

    Args:
        state: A state dict.
        path: Its file, for the log.
    """
    own, averages = split_averages(state)
    if averages:
        print_log(f'{path} holds the moving averages of EMAHook beside the weights: these '
                  f'{len(averages)} copies are left out.', 'mmseg')
    return own
