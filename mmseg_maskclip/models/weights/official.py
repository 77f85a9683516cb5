"""Checkpoints that the official MaskCLIP+ code wrote."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Mapping

import torch
from mmcv.utils import print_log
from torch import Tensor

_TEACHER = re.compile(r'decode_head\.(clip\.|proj\.|[qkvc]_proj\.'
                      # The image classifier of the class-weight fork, and its SegFormer head's
                      # own classifier, which it built and never used.
                      r'|decode_module\.conv_seg\.|clip_model\.|logit_scale$|text_features$)')
_TEXT = 'decode_head.text_embeddings'
_COUNTER = 'decode_head._iter_counter'


def adapt_official(state: Mapping[str, Tensor], path: str | Path) -> dict[str, Tensor]:
    """Rename the student's weights of an official checkpoint, drop the teacher's.

    Args:
        state: A state dict; one of this project's own is returned as it is.
        path: Its file, for the log.

    Returns:
        The state under this project's names.
    """
    if _TEXT not in state:
        return dict(state)
    kept = {key: value for key, value in state.items()
            if key not in (_TEXT, _COUNTER) and not _TEACHER.match(key)}
    dropped = len(state) - len(kept) - 1 - (_COUNTER in state)
    kept['decode_head.text.embeddings'] = state[_TEXT].float()
    # The official code knows no synonyms: one row a class.
    kept['decode_head.text.row_class'] = torch.arange(len(state[_TEXT]))
    print_log(f'{path} is a checkpoint of the official code: {dropped} parameters of its frozen '
              'teacher are left out.', 'mmseg')
    return kept
