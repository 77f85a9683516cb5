"""Checkpoints that the official MaskCLIP+ code wrote."""

from __future__ import annotations

import re
from typing import Mapping

import torch
from torch import Tensor

_TEACHER = re.compile(r'decode_head\.(clip\.|proj\.|[qkvc]_proj\.'
                      # The image classifier of the class-weight fork.
                      r'|clip_model\.|logit_scale$|text_features$)')
_TEXT = 'decode_head.text_embeddings'
_COUNTER = 'decode_head._iter_counter'


def adapt_released(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], int]:
    """Rename the student's weights of an official checkpoint, drop the teacher's.

    Args:
        state: A state dict; one of this project's own is returned as it is.

    Returns:
        The state under this project's names, and how many of the teacher's
        tensors were left out.
    """
    if _TEXT not in state:
        return dict(state), 0
    kept = {key: value for key, value in state.items()
            if key not in (_TEXT, _COUNTER) and not _TEACHER.match(key)}
    dropped = len(state) - len(kept) - 1 - (_COUNTER in state)
    kept['decode_head.text.embeddings'] = state[_TEXT].float()
    kept['decode_head.text.row_class'] = torch.arange(len(state[_TEXT]))
    return kept, dropped
