"""Cityscapes, with results in the benchmark's ids and no extra package for that."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmseg.datasets import CityscapesDataset
from mmseg.datasets.builder import DATASETS
from PIL import Image

from mmseg_maskclip.datasets.base import OpenVocabularyMixin
from mmseg_maskclip.ops import IGNORED
from mmseg_maskclip.utils import InputError, atomic_path

#: The benchmark's label id of each of the 19 classes.
LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


@DATASETS.register_module()
class Cityscapes19Dataset(OpenVocabularyMixin, CityscapesDataset):
    """Cityscapes: 19 classes, labels ``*_gtFine_labelTrainIds.png``."""

    PROMPTS = 'city'
    PREPARE = ('Extract leftImg8bit/ and gtFine/ in data/cityscapes, then run: python '
               'tools/dataset_converters/cityscapes.py data/cityscapes '
               '(see docs/datasets.md).')

    def results2img(self, results: Sequence[np.ndarray], imgfile_prefix: str,
                    to_label_id: bool = True, indices: Sequence[int] | None = None) -> list[str]:
        """Write predictions as coloured PNG files of class ids.

        Args:
            results: Predicted class ids, each (H, W); 255 is none of the classes.
            imgfile_prefix: The folder for the files.
            to_label_id: Whether to write the benchmark's ids, as a submission
                needs them, instead of 0 to 18.
            indices: The image of each result; all of them by default.

        Returns:
            The files, in the order of the results.
        """
        ids = np.asarray(LABEL_IDS if to_label_id else range(len(LABEL_IDS)), dtype=np.uint8)
        # What is none of the classes is unlabelled, 0 for the benchmark.
        written = np.full(256, 0 if to_label_id else IGNORED, dtype=np.uint8)
        written[:len(ids)] = ids
        palette = np.zeros((256, 3), dtype=np.uint8)
        # The palette is looked up by what is written, which may be the benchmark's ids.
        palette[ids] = type(self).PALETTE
        files = []
        for result, index in zip(results, range(len(self)) if indices is None else indices):
            name = Path(self.img_infos[index]['filename']).stem + '.png'
            picture = Image.fromarray(written[np.asarray(result)])
            picture.putpalette(palette.tobytes())
            with atomic_path(os.path.join(imgfile_prefix, name)) as path:
                picture.save(path)
            files.append(os.path.join(imgfile_prefix, name))
        return files

    def evaluate(self, results: Sequence, metric: str | Sequence[str] = 'mIoU',
                 logger: logging.Logger | str | None = None,
                 imgfile_prefix: str | None = None, **kwargs) -> dict[str, float]:
        """As the other data sets; metric 'cityscapes' runs the benchmark's own script.

        Args:
            results: See :meth:`OpenVocabularyMixin.evaluate`.
            metric: Also 'cityscapes', which needs the package
                cityscapesscripts and files written by ``format_results``.
            logger: Where the tables go.
            imgfile_prefix: The folder of those files.
            **kwargs: Passed on.

        Raises:
            InputError: If 'cityscapes' is requested without package or folder.
        """
        names = [metric] if isinstance(metric, str) else list(metric)
        metrics: dict[str, float] = {}
        if 'cityscapes' in names:
            names.remove('cityscapes')
            metrics.update(self._evaluate_benchmark(results, logger, imgfile_prefix))
        if names:
            metrics.update(super().evaluate(results, names, logger, **kwargs))
        return metrics

    def _evaluate_benchmark(self, results: Sequence, logger: logging.Logger | str | None,
                            imgfile_prefix: str | None) -> dict[str, float]:
        if imgfile_prefix is None:
            raise InputError("metric 'cityscapes' scores files, give their folder: "
                             '--eval-options imgfile_prefix=DIR')
        try:
            return self._evaluate_cityscapes(results, logger, imgfile_prefix)
        except ImportError as error:
            raise InputError("metric 'cityscapes' needs a package that is not installed; "
                             'run: pip install cityscapesscripts') from error
