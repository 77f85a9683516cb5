"""The attention of class queries, as heat maps over the pictures of a test run."""

from __future__ import annotations

from collections import deque
from typing import Any, Sequence

import torch
from torch import Tensor, nn

from mmseg_maskclip.datasets.checking import parts_of
from mmseg_maskclip.engine.inference import picture_of
from mmseg_maskclip.engine.results.label_files import check_folder, folder_of, png_names
from mmseg_maskclip.engine.samples import located
from mmseg_maskclip.models.refiners import View
from mmseg_maskclip.models.segmentors import TiledInference
from mmseg_maskclip.ops import shrink
from mmseg_maskclip.utils import InputError, writable_dir, write_image
from mmseg_maskclip.visualization.queries import draw_queries, panel_size

_FLAG = '--show-queries'


class QueryMaps:
    """Draws one sheet an image: the scores of every class as a heat map over it.

    Args:
        folder: Where the sheets go, as PNGs named like the images.
        dataset: The test set.

    Raises:
        InputError: If the folder can't be written, or holds the data set itself.
    """

    def __init__(self, folder: str, dataset: Any) -> None:
        # In this order: a refused run leaves no folder among the images.
        check_folder(folder, _FLAG, dataset)
        writable_dir(folder, _FLAG)
        self.folder = folder
        self._dataset = dataset
        self._parts = list(parts_of(dataset))
        self._names = [png_names(part) for part in self._parts]
        self._offsets = torch.zeros(len(dataset.CLASSES))
        # Labelled, and not drawn yet: several where images go through the model together.
        self._waiting: deque[tuple[Tensor, Tensor]] = deque()

    def watch(self, model: nn.Module) -> None:
        """See the scores of the images that a model labels.

        Args:
            model: Before its first image.

        Raises:
            InputError: If it has no class queries.
        """
        if not isinstance(model, TiledInference) or not model.shows_queries:
            raise InputError(f'{_FLAG} needs a ZegClip model, got {type(model).__name__}, which '
                             'has no class queries.')
        self._offsets.fill_(getattr(model, 'seen_offset', 0.0))
        self._offsets[list(getattr(model, 'unseen', ()))] = 0
        model.watch(self._see)

    def _see(self, views: Sequence[View], labels: Tensor) -> None:
        maps = [view.scores for view in views]
        small, highest = shrink(maps, panel_size(maps[0].size))
        # What was subtracted from seen classes can be added back after a resize, whose weights
        # have the sum 1.
        self._waiting.append((small.cpu() + self._offsets[:, None, None],
                              highest.cpu() + self._offsets))

    def draw(self, index: int, sample: dict) -> None:
        """Draw the first image that was labelled and is not drawn.

        Args:
            index: Of the image in the test set.
            sample: What the pipeline made of it.

        Raises:
            InputError: If the sheet can't be written.
        """
        if not self._waiting:
            return
        maps, highest = (values.numpy() for values in self._waiting.popleft())
        sheet = draw_queries(picture_of(sample, maps.shape[1:]), maps, highest,
                             self._dataset.CLASSES)
        part, place = located(self._dataset, index)
        number = self._parts.index(part)
        write_image(folder_of(self.folder, self._dataset, index) / self._names[number][place],
                    sheet)
