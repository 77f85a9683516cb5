"""Exported programs as files: ONNX, 8 bits of it, and torch's own."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any, Collection, Iterator

import torch

from mmseg_maskclip.portable.description import Description
from mmseg_maskclip.utils import InputError

ONNX, TORCH = FORMS = ('onnx', 'torch-export')
SUFFIXES = {ONNX: '.onnx', TORCH: '.pt2'}
#: Of the description in a file of torch's.
EXTRA = 'maskclip.json'
_MOST_BYTES = 2 ** 31 - 2 ** 20


def write_onnx(program: Any, description: Description, path: Path) -> None:
    """Write an exported program as ONNX.

    Args:
        program: A ``torch.export.ExportedProgram``.
        description: Of the model, the file's ``metadata_props``.
        path: The file.

    Raises:
        InputError: If the model is too large for one file, or torch can't.
    """
    size = sum(value.numel() * value.element_size() for value in program.state_dict.values())
    if size > _MOST_BYTES:
        raise InputError(f'the model has {size / 2 ** 30:.1f} GiB, an ONNX file at most 2: take '
                         f'--to {TORCH}.')
    outputs = ['scores', 'embedding'][:1 + description.embeds]
    try:
        with quiet():
            found = torch.onnx.export(program, dynamo=True, external_data=False, verbose=False,
                                      input_names=['image', 'bank'], output_names=outputs)
    except Exception as error:
        raise InputError(f'torch cannot write this model as ONNX: {str(error).splitlines()[0]}.'
                         ) from error
    proto = found.model_proto
    _clear(proto)
    _save(proto, description, path)


def quantise(path: Path, description: Description, target: Path,
             tables: Collection[tuple[int, ...]] = ()) -> None:
    """Write an ONNX model with the weights of its linear layers in 8 bits.

    Args:
        path: The model.
        description: Of it.
        target: The file.
        tables: Shapes of constants that are not weights and keep their 32 bits.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with quiet(), tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / path.name
        # Weights that are cut or turned become weights again, or they would keep their 32 bits.
        quant_pre_process(path, folded, skip_symbolic_shape=True, skip_onnx_shape=True)
        graph = onnx.load(folded).graph
        kept = {value.name for value in graph.initializer if tuple(value.dims) in tables}
        # Convolutions of 8 bits are slower than those of 32 in ONNX Runtime on a CPU.
        quantize_dynamic(folded, target, op_types_to_quantize=['MatMul', 'Gemm'],
                         weight_type=QuantType.QInt8, per_channel=True, nodes_to_exclude=[
                             node.name for node in graph.node if kept.intersection(node.input)])
    _save(onnx.load(target), description, target)


def write_torch(program: Any, description: Description, path: Path) -> None:
    """Write an exported program for ``torch.export.load``.

    Args:
        program: A ``torch.export.ExportedProgram``.
        description: Of the model, JSON in the file ``maskclip.json`` within it.
        path: The file.
    """
    with quiet():
        torch.export.save(program, path, extra_files={EXTRA: description.to_json()})


def _save(proto: Any, description: Description, path: Path) -> None:
    import onnx

    del proto.metadata_props[:]
    for name, value in description.to_metadata().items():
        proto.metadata_props.add(key=name, value=value)
    onnx.save_model(proto, str(path))


def _clear(proto: Any) -> None:
    """Remove where in the source each node came from: paths of this machine."""
    for graph in (proto.graph, *proto.functions):
        for node in graph.node:
            del node.metadata_props[:]
            node.doc_string = ''
        for value in graph.value_info:
            del value.metadata_props[:]
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.initializer):
        del value.metadata_props[:]


def require_packages() -> None:
    """Refuse to write ONNX where it can't be.

    Raises:
        InputError: If a package is missing.
    """
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(f'ONNX needs the package {error.name}, which is not installed: '
                         ".venv/bin/pip install -e '.[export]' in the checkout.") from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What the exporters tell of their steps is of no use to a user."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(before)
