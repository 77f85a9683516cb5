"""Which class is taken for which: pixel counts per pair of classes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmseg_maskclip.evaluation.areas import LabelMap, labelled_pixels


def count_confusion(prediction: LabelMap, label: LabelMap, num_classes: int,
                    ignore_index: int = 255, name: str = 'the label map') -> Tensor:
    """Count the pixels of one image per labelled and predicted class.

    Args:
        prediction: Predicted class ids, (H, W), any integer type.
        label: Ground-truth class ids, (H, W); ``ignore_index`` is not counted.
        num_classes: Number of classes K.
        ignore_index: The id of pixels that are left out.
        name: What to call the label in an error, usually its file.

    Returns:
        (K, K + 1) int64: row i holds the pixels labelled i, column j those
        predicted as j; the last one those predicted as none of the classes.

    Raises:
        InputError: If the two differ in shape, or an id is outside 0..K-1.
    """
    found, truth = labelled_pixels(prediction, label, num_classes, ignore_index, name)
    width = num_classes + 1
    pairs = np.bincount(truth * width + np.minimum(found, num_classes),
                        minlength=num_classes * width)
    return torch.from_numpy(pairs.astype(np.int64).reshape(num_classes, width))
