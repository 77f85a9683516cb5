"""Markdown tables."""

from __future__ import annotations

from typing import Iterable, Sequence

from prettytable import PrettyTable, TableStyle


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]],
                   numbers: Sequence[str] = ()) -> str:
    """A table in Markdown, its columns padded to one width.

    Args:
        header: Names of the columns, all different.
        rows: One cell a column each.
        numbers: Columns that are aligned to the right.
    """
    table = PrettyTable(list(header))
    table.set_style(TableStyle.MARKDOWN)
    table.align = 'l'
    for name in numbers:
        table.align[name] = 'r'
    table.add_rows([list(row) for row in rows])
    return table.get_string() + '\n'
