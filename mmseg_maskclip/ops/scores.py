"""From projected patch features to class scores."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.ops.precision import full_precision

# Below it torch's softmax over the last dimension of a CPU tensor takes an element at a time.
_FEW_CLASSES = 16
# From here on NumPy's arg-max compares many elements at a time, six times as fast as torch's,
# which shares the pixels among its threads.
_MANY_CLASSES, _FEW_THREADS = 64, 5


def score_patches(features: Tensor, text_embeddings: Tensor, normalise: bool = True) -> Tensor:
    """Cosine score of every patch against every text embedding (MaskCLIP, Sec. 3.2).

    Args:
        features: Projected patch features, (B, D, H, W), any norm.
        text_embeddings: L2-normalised, one row per class or synonym, (R, D).
        normalise: L2-normalise the features first; without it the scores are
            plain dot products, as MaskCLIP+ students use them.

    Returns:
        Scores, in [-1, 1] if normalised, (B, R, H, W).

    Raises:
        ValueError: If the two disagree on D.

    Example:
        Two patches with the features (3, 4) and (0, 2), two classes:

        >>> import torch
        >>> features = torch.tensor([[3.0, 0.0], [4.0, 2.0]]).view(1, 2, 1, 2)
        >>> score_patches(features, torch.eye(2)).squeeze()
        tensor([[0.6000, 0.0000],
                [0.8000, 1.0000]])
    """
    if features.shape[1] != text_embeddings.shape[1]:
        raise ValueError(f'features have {features.shape[1]} channels, the text embeddings '
                         f'{text_embeddings.shape[1]}: they come from different CLIP models')
    with full_precision(features):
        # Autocast is off, but the backbone may run in half precision itself.
        features = features.float() if features.dtype != torch.float64 else features
        if normalise:
            features = F.normalize(features, dim=1)
        return F.conv2d(features, text_embeddings[:, :, None, None].to(features))


def pool_rows(scores: Tensor, row_class: Tensor, num_classes: int) -> Tensor:
    """Score of a class: the highest score among its text embeddings (synonyms).

    Args:
        scores: Scores per text embedding, (B, R, H, W).
        row_class: Class id of each text embedding, (R,) int64; every class has one.
        num_classes: K.

    Returns:
        Scores per class, (B, K, H, W).

    Example:
        >>> import torch
        >>> scores = torch.tensor([0.1, 0.7, 0.4]).view(1, 3, 1, 1)
        >>> pool_rows(scores, torch.tensor([0, 0, 1]), num_classes=2).flatten()
        tensor([0.7000, 0.4000])
    """
    index = row_class.view(1, -1, 1, 1).expand_as(scores)
    pooled = scores.new_full((scores.shape[0], num_classes, *scores.shape[2:]), float('-inf'))
    return pooled.scatter_reduce(1, index, scores, reduce='amax')


def class_softmax(scores: Tensor) -> Tensor:
    """Softmax over the classes of every pixel, classes last.

    Args:
        scores: (..., K).

    Returns:
        (..., K), of sum 1; of few classes on a CPU no contiguous memory.

    Example:
        >>> import torch
        >>> class_softmax(torch.tensor([[1.0, 3.0], [1.0, 1.0]]).log())
        tensor([[0.2500, 0.7500],
                [0.5000, 0.5000]])
    """
    if scores.device.type != 'cpu' or scores.shape[-1] >= _FEW_CLASSES:
        return scores.softmax(dim=-1)
    # Pixels that lie together are computed together, ten times as fast.
    return scores.movedim(-1, 0).contiguous().softmax(dim=0).movedim(0, -1)


def best_class(values: Tensor) -> tuple[Tensor, Tensor]:
    """Highest value of every pixel and the class it belongs to, classes last.

    Args:
        values: (..., K) float32.

    Returns:
        Values (...) and class ids (...) int64; of equal values the lowest id.

    Example:
        >>> import torch
        >>> best_class(torch.tensor([[0.2, 0.8], [0.5, 0.5]]))
        (tensor([0.8000, 0.5000]), tensor([1, 0]))
    """
    if (values.device.type != 'cpu' or values.shape[-1] < _MANY_CLASSES
            or torch.get_num_threads() > _FEW_THREADS):
        best, classes = values.max(dim=-1)
        return best, classes
    classes = torch.from_numpy(values.detach().numpy().argmax(axis=-1))
    return values.gather(-1, classes[..., None])[..., 0], classes


def pool_queries(values: Tensor, row_class: Tensor, num_classes: int) -> Tensor:
    """Value of a class: the highest among its queries, as :func:`pool_rows`, classes last.

    Args:
        values: Scores or probabilities, (..., Q).
        row_class: Class id of each query, (Q,) int64; every class has one.
        num_classes: K.

    Returns:
        (..., K).

    Example:
        >>> import torch
        >>> pool_queries(torch.tensor([0.1, 0.7, 0.4]), torch.tensor([0, 0, 1]), num_classes=2)
        tensor([0.7000, 0.4000])
    """
    pooled = values.new_full((*values.shape[:-1], num_classes), float('-inf'))
    return pooled.scatter_reduce(-1, row_class.expand_as(values), values, reduce='amax')
