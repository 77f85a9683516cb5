"""How a row is written; imports nothing, so that a table can be drawn where torch is not."""

from __future__ import annotations

_UNITS = {'s': '{:.3f} s', 'mb': '{:.0f} MB', 'per_s': '{:.1f} a second'}
COLUMNS = ('what', 'ours', 'against', 'reference', 'ratio')


def cells(row: dict) -> list[str]:
    """A measured row as the text of :data:`COLUMNS`.

    Args:
        row: What the functions of this folder return, those of read-outs excepted.
    """
    if 'extra_mb' in row:
        return [row['what'], f"{row['extra_mb']:.0f} MB",
                row.get('reference', 'all scores at once'), f"{row['plain_mb']:.0f} MB",
                f"{row['extra_mb'] / row['plain_mb']:.3f}"]
    key, shape = next((key, shape) for key, shape in _UNITS.items() if f'ours_{key}' in row)
    return [row['what'], shape.format(row[f'ours_{key}']), row['reference'],
            shape.format(row[f'reference_{key}']), f"{row['ratio']:.2f}"]
