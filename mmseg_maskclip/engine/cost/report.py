"""The costs of a model as a table and as a record."""

from __future__ import annotations

import statistics
from typing import Any

import torch
from prettytable import PrettyTable

from mmseg_maskclip.engine.cost.measure import Cost, Part
from mmseg_maskclip.engine.record import versions


def cost_table(cost: Cost) -> str:
    """A row for each part of the model, and one for their sum.

    Args:
        cost: What :func:`measure_cost` returns.
    """
    table = PrettyTable(['part', 'parameters (M)', 'learned (M)', 'multiply-adds (G)'])
    table.align = 'r'
    table.align['part'] = 'l'
    for name, part in [*cost.parts.items(), ('total', cost.total)]:
        table.add_row([name, f'{part.parameters / 1e6:.2f}', f'{part.learned / 1e6:.2f}',
                       f'{part.macs / 1e9:.2f}'])
    return table.get_string()


def cost_record(cost: Cost, device: torch.device) -> dict[str, Any]:
    """The same numbers, not rounded, with what they depend on.

    Args:
        cost: What :func:`measure_cost` returns.
        device: Where it was measured.
    """
    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else str(device)
    return {'shape': list(cost.shape), 'slide': cost.slide, 'total': _numbers(cost.total),
            'parts': {part: _numbers(value) for part, value in cost.parts.items()},
            'auxiliary_parameters': cost.auxiliary[0],
            'images_per_second': cost.images_per_second,
            'seconds': statistics.median(cost.seconds) if cost.seconds else None,
            'repeats': len(cost.seconds), 'device': name, 'threads': torch.get_num_threads(),
            'versions': versions()}


def _numbers(part: Part) -> dict[str, int]:
    return part._asdict()
