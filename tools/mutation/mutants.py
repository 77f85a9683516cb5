"""Statements of a tree, and changed ones drawn by a seed."""

from __future__ import annotations

import ast
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from mutation.operators import Change, changes_of

_LOGS = ('print', 'print_log', 'warn', 'warning', 'info', 'debug', 'error', 'exception', 'log')
_LONG = 70
_PIECE = 12


@dataclass(frozen=True)
class Mutant:
    """One changed statement.

    Attributes:
        file: The module, relative to the root.
        line: Where the change starts.
        what: The kind of change.
        before: The piece as it was; of a small one, such as a number, its line.
        after: What took its place, or the line then.
        source: The whole module with the change.
    """

    file: str
    line: int
    what: str
    before: str
    after: str
    source: str

    @property
    def change(self) -> str:
        """The change in a line."""
        return f'{self.what}: {_short(self.before)} -> {_short(self.after)}'


def draw_mutants(root: Path, paths: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """Draw statements, and a change of each.

    Every statement that allows a change is as likely as every other, and so is
    each of its changes.

    Args:
        root: Of the tree.
        paths: Modules, and folders of them, relative to the root.
        count: How many; fewer where there are fewer statements.
        seed: The same draws the same from the same sources.

    Returns:
        In the order of files and lines.
    """
    chooser = random.Random(seed)
    found = [(file, changes) for file in modules_of(root, paths)
             for changes in statements_of((root / file).read_text(encoding='utf-8'))]
    drawn = chooser.sample(range(len(found)), min(count, len(found)))
    mutants = [_mutant(root, file, chooser.choice(changes))
               for file, changes in (found[index] for index in drawn)]
    return sorted(mutants, key=lambda mutant: (mutant.file, mutant.line))


def modules_of(root: Path, paths: Sequence[str]) -> list[str]:
    """Python files at or below some paths, relative to the root, sorted."""
    found = set()
    for path in paths:
        full = root / path
        found.update(full.rglob('*.py') if full.is_dir() else [full])
    return sorted(file.relative_to(root).as_posix() for file in found)


def statements_of(source: str) -> list[list[Change]]:
    """The changes of each statement that allows one, in the order of the source.

    Args:
        source: Of a module.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        for block in ('body', 'orelse', 'finalbody'):
            statements = getattr(node, block, None)
            for statement in statements if isinstance(statements, list) else ():
                last = isinstance(statement, ast.Return) and isinstance(node, ast.FunctionDef)
                changes = [] if _left_alone(statement) else changes_of(statement, last)
                if changes:
                    found.append((statement.lineno, statement.col_offset, changes))
    return [changes for *_, changes in sorted(found, key=lambda item: item[:2])]


def _left_alone(statement: ast.stmt) -> bool:
    """Statements without effect on results: docstrings, logs, ``__all__``, abstract methods."""
    if isinstance(statement, ast.Expr):
        value = statement.value
        return isinstance(value, ast.Constant) or (
            isinstance(value, ast.Call) and _name_of(value.func) in _LOGS)
    if isinstance(statement, ast.Assign):
        return any(_name_of(target) == '__all__' for target in statement.targets)
    if isinstance(statement, ast.Raise):
        raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
        return _name_of(raised) == 'NotImplementedError'
    return isinstance(statement, ast.If) and '__name__' in ast.unparse(statement.test)


def _name_of(node: ast.AST | None) -> str | None:
    return getattr(node, 'attr', None) or getattr(node, 'id', None)


def _mutant(root: Path, file: str, change: Change) -> Mutant:
    # Columns of the syntax tree count bytes.
    lines = (root / file).read_bytes().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    node, content = change.node, b''.join(lines)
    start = starts[node.lineno - 1] + node.col_offset
    end = starts[node.end_lineno - 1] + node.end_col_offset
    piece = content[start:end].decode()
    changed = (content[:start] + change.text.encode() + content[end:]).decode()
    before, after = piece, change.text
    if len(piece) < _PIECE and change.what != 'statement deleted':
        before, after = (source.splitlines()[node.lineno - 1].strip()
                         for source in (content.decode(), changed))
    return Mutant(file, node.lineno, change.what, before, after, changed)


def _short(source: str) -> str:
    line = ' '.join(source.split())
    return line if len(line) <= _LONG else f'{line[:_LONG - 3]}...'
