"""An exported model in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np

from mmseg_maskclip.geometry.windows import Windows
from mmseg_maskclip.portable.bank import WordBank
from mmseg_maskclip.portable.description import Description
from mmseg_maskclip.portable.inputs import network_size, resize_picture, to_input
from mmseg_maskclip.portable.reading import GridReading, compose
from mmseg_maskclip.portable.scores import best_rows, sigmoid
from mmseg_maskclip.utils import InputError, require_file
from mmseg_maskclip.utils.files import PathLike

_PROVIDERS = ('CUDAExecutionProvider', 'CPUExecutionProvider')


class Outputs(NamedTuple):
    """What the graph gives for one window.

    Attributes:
        scores: (background + R, h, w).
        embedding: CLIP's embedding of the window, (D,); None where the graph has none.
    """

    scores: np.ndarray
    embedding: Optional[np.ndarray]


class ExportedModel:
    """A file of ``maskclip export --to onnx``.

    Args:
        path: The file.
        threads: How many ONNX Runtime uses; None for all cores.

    Attributes:
        description: What it says of itself.

    Raises:
        InputError: If the file is missing, damaged or of another origin, or ONNX Runtime is
            not installed.
    """

    def __init__(self, path: PathLike, threads: Optional[int] = None) -> None:
        self.path = require_file(path, 'exported model', 'Make one with maskclip export.')
        self._session = _session(self.path, threads)
        self.description = Description.from_metadata(
            self._session.get_modelmeta().custom_metadata_map, str(self.path))
        inputs, outputs = ([one.name for one in found] for found in (
            self._session.get_inputs(), self._session.get_outputs()))
        wanted = ['scores', 'embedding'][:1 + self.description.embeds]
        if (inputs, outputs) != (['image', 'bank'], wanted):
            raise InputError(f'{self.path} takes {", ".join(inputs)} and gives '
                             f'{", ".join(outputs)}, expected image and bank, and '
                             f'{" and ".join(wanted)}: export the model anew.')

    def run(self, image: np.ndarray, embeddings: np.ndarray) -> Outputs:
        """Run the graph.

        Args:
            image: (1, 3, H, W) float32, RGB from 0 to 255, H and W multiples of the patch.
            embeddings: Unit-norm, (R, D) float32.
        """
        found = self._session.run(None, {'image': image, 'bank': embeddings})
        return Outputs(found[0][0], found[1][0] if self.description.embeds else None)

    def read(self, picture: np.ndarray, bank: WordBank,
             name: str = 'the picture') -> tuple[GridReading, list[np.ndarray]]:
        """Read a picture, window by window.

        Args:
            picture: (H, W, 3) uint8, RGB.
            bank: The words.
            name: What a user knows the picture by.

        Returns:
            Its scores, and CLIP's embeddings of the windows, none where the graph gives none.

        Raises:
            InputError: If it is too long and narrow, or too small.
        """
        model = self.description
        height, width = picture.shape[:2]
        resized = resize_picture(picture, network_size(model, (height, width), name))
        windows = Windows.of(model.test_cfg, resized.shape[:2])
        grids, embeddings = [], []
        for part in windows.parts(resized.transpose(2, 0, 1)[None]):
            found = self.run(to_input(model, part[0].transpose(1, 2, 0)), bank.embeddings)
            grids.append(self._classes(found.scores, bank))
            if found.embedding is not None:
                embeddings.append(found.embedding)
        scores = compose(model, grids, windows, (height, width), bank.offset)
        return GridReading(scores, len(bank.names), model), embeddings

    def _classes(self, scores: np.ndarray, bank: WordBank) -> np.ndarray:
        """(K + M, h, w), of each word the best of its rows."""
        own = np.arange(self.description.background)
        return best_rows(scores, np.concatenate([own, bank.row_class]),
                         len(bank.names) + len(bank.contrast))


def presence(embeddings: list[np.ndarray], bank: WordBank,
             scale: float) -> Optional[dict[str, float]]:
    """Whether each word is in a picture at all; see ``Segmentation.presence``.

    Args:
        embeddings: Of the windows, (D,) each.
        bank: The words.
        scale: Of cosines.
    """
    if not embeddings or not bank.contrast:
        return None
    images = np.stack(embeddings)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    # A background that was learned has no row, and is not asked for.
    first, words = int(bank.row_class.min()), len(bank.names)
    logits = scale * best_rows(bank.embeddings @ images.T, bank.row_class,
                               words + len(bank.contrast))
    rivals = logits[words:]
    top = rivals.max(axis=0)
    rivals = top + np.log(np.exp(rivals - top).sum(axis=0))
    best = (logits[first:words] - rivals).max(axis=1)
    return dict(zip(bank.names[first:], sigmoid(best).tolist()))


def _session(path: Path, threads: Optional[int]) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError('exported models run in ONNX Runtime, which is not installed: pip '
                         'install onnxruntime.') from error
    options = onnxruntime.SessionOptions()
    if threads is not None:
        options.intra_op_num_threads = threads
    # Its warnings are about the graph, nothing that a user could change.
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(
            str(path), options, providers=[name for name in _PROVIDERS
                                           if name in onnxruntime.get_available_providers()])
    except Exception as error:
        raise InputError(f'{path} cannot be read as an ONNX model: '
                         f'{str(error).splitlines()[0]}.') from error
