"""Tables of what models cost: parameters and multiply-adds, as tools/get_flops.py counts them."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from mmseg_maskclip.utils import InputError

from docs.tables import markdown_table

KEY = 'Complexity'
_NUMBERS = ('Params (M)', 'Learned (M)', 'MACs (G)')
# What tells models apart; each is a column where it is stated.
_NAMES = {'Method': 'method', 'CLIP': 'CLIP', 'Student': 'student', 'Setting': 'setting'}


def cost_table(models: Sequence[dict], link_root: str) -> str:
    """A Markdown table of the models whose metadata has ``Complexity``, the others are left out.

    Args:
        models: Of a metafile.
        link_root: What leads from the document to the project's root.

    Raises:
        InputError: If no model has it, or a number is missing.
    """
    shown = [model for model in models if KEY in model['Metadata']]
    if not shown:
        raise InputError(f'the metafile has no model with {KEY} in its metadata.')
    names = [key for key in _NAMES if any(key in model['Metadata'] for model in shown)]
    rows = []
    for model in shown:
        cost = model['Metadata'][KEY]
        lacking = [name for name in ('Input', *_NUMBERS) if name not in cost]
        if lacking:
            raise InputError(f"{KEY} of {model['Name']} lacks {lacking[0]!r}.")
        rows.append([*(model['Metadata'].get(key, '') for key in names), cost['Input'],
                     *(f'{cost[name]:.2f}' for name in _NUMBERS),
                     f"[{Path(model['Config']).stem}]({link_root}{model['Config']})"])
    header = [*(_NAMES[key] for key in names), 'input', *_NUMBERS, 'config']
    return markdown_table(header, rows, _NUMBERS)
