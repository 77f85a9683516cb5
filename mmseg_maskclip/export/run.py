"""Export a model, check the file, and only then give it its name."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Collection, NamedTuple, Optional, Sequence

import numpy as np
import torch

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.engine.predict.vocabulary import Vocabularies
from mmseg_maskclip.export.checking import Check, Run, compare, require_equal
from mmseg_maskclip.export.describe import describe, table_shapes
from mmseg_maskclip.export.graph import ScoreGraph, trace
from mmseg_maskclip.export.writing import (
    FORMS,
    ONNX,
    SUFFIXES,
    quantise,
    quiet,
    require_packages,
    write_onnx,
    write_torch,
)
from mmseg_maskclip.portable.bank import SUFFIX as BANK_SUFFIX
from mmseg_maskclip.portable.bank import WordBank
from mmseg_maskclip.portable.description import Description
from mmseg_maskclip.portable.exported import ExportedModel
from mmseg_maskclip.utils import InputError, atomic_path, require_writable
from mmseg_maskclip.utils.files import PathLike


class Exported(NamedTuple):
    """What was written, and what its check gave.

    Attributes:
        path: The model.
        check: The comparison with the model itself.
        description: What the file says of itself.
        bank: Its words; None where it has none and none were given.
    """

    path: Path
    check: Check
    description: Description
    bank: Optional[Path] = None


def require_target(out: PathLike, to: str, int8: bool = False) -> Path:
    """Where an exported model is to be written.

    Args:
        out: As :func:`export`.
        to: As there.
        int8: As there.

    Raises:
        InputError: If the form is unknown, the name or 8 bits don't belong to it, it or the bank
            beside it can't be written, or a package is missing.
    """
    if to not in FORMS:
        raise InputError(f'models are exported to one of {", ".join(FORMS)}, got {to!r}.')
    path = Path(out)
    if path.suffix != SUFFIXES[to]:
        forms = ', '.join(f'{suffix} of --to {form}' for form, suffix in SUFFIXES.items())
        raise InputError(f'the exported model is to be {path}, expected a name that ends in '
                         f'{SUFFIXES[to]} ({forms}).')
    if int8 and to != ONNX:
        raise InputError(f'8 bits are a part of ONNX Runtime: take --to {ONNX}.')
    if to == ONNX:
        require_packages()
    for one, what in ((path, 'exported model'), (path.with_suffix(BANK_SUFFIX), 'bank')):
        require_writable(one, what)
    return path


def export(vocabularies: Vocabularies, out: PathLike, to: str = ONNX, int8: bool = False,
           temperature: float = 1.0, bank: Optional[WordBank] = None) -> Exported:
    """Export a model. Nothing stands under the file's name before the check is passed.

    Args:
        vocabularies: Of the model, which is on the CPU.
        out: The file, ``*.onnx`` or ``*.pt2``.
        to: ``'onnx'`` or ``'torch-export'``.
        int8: Whether the weights of linear layers get 8 bits; then labels may differ, and
            the check only counts them.
        temperature: Scores are divided by it.
        bank: Words that the check is made with, beside random ones.

    Raises:
        InputError: If the model can't be exported, or what was written differs from it.
    """
    path = require_target(out, to, int8)
    built = vocabularies.built
    if next(built.model.parameters()).device.type != 'cpu':
        raise InputError('the model is on a GPU: load it with device="cpu" to export it.')
    if getattr(built.model, 'class_weight', None) is not None:
        raise InputError('the class weight of the model cannot be exported: set '
                         'model.class_weight=None.')
    description = describe(vocabularies, temperature)
    with vocabularies.lock, atomic_path(path) as temporary:
        try:
            built.model.replace_classes(TextBank(torch.ones(1, description.width), ('word',)))
            with quiet():
                program = trace(ScoreGraph(built.model, description), description)
            _write(program, description, temporary, to, table_shapes(built) if int8 else None)
            check = compare(_runner(temporary, to), built.model, description,
                            None if bank is None else bank.embeddings)
        finally:
            vocabularies.forget()
        if not int8:
            require_equal(check)
    return Exported(path, check, description)


def _write(program: Any, description: Description, path: Path, to: str,
           tables: Optional[Collection[tuple[int, ...]]]) -> None:
    """Write one of the forms; in 8 bits where there are tables, which keep theirs."""
    if to != ONNX:
        write_torch(program, description, path)
    elif tables is None:
        write_onnx(program, description, path)
    else:
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            full = Path(folder) / path.name
            write_onnx(program, description, full)
            quantise(full, description, path, tables)


def _runner(path: Path, to: str) -> Run:
    """Runs a file that was written, as its users will."""
    if to == ONNX:
        model = ExportedModel(path)

        def run(image: np.ndarray, bank: np.ndarray) -> Sequence[np.ndarray]:
            found = model.run(image, bank)
            one = found.scores[None]
            return [one] if found.embedding is None else [one, found.embedding[None]]

        return run
    program = torch.export.load(path).module()

    def run_program(image: np.ndarray, bank: np.ndarray) -> Sequence[np.ndarray]:
        with torch.no_grad():
            return [value.numpy() for value in program(torch.from_numpy(image),
                                                       torch.from_numpy(bank))]

    return run_program
