"""Class weight: dense scores reweighted by CLIP's prior from the whole image."""

from __future__ import annotations

from typing import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmseg_maskclip.models.backbones import ClipBackbone
from mmseg_maskclip.models.class_weight.image_classifier import ImageClassifier
from mmseg_maskclip.models.class_weight.settings import ClassWeightSettings
from mmseg_maskclip.ops import add_log_prior, gate_weights, multiply_scores, softmax_weights
from mmseg_maskclip.utils import InputError


class ClassWeight(nn.Module):
    """A prior over the classes from the whole image, applied to dense scores.

    The same for MaskCLIP and MaskCLIP+ (class-weight fork of MaskCLIP; see
    docs/class_weight.md). ``softmax``: score' = K softmax(cos / tau) score.
    ``gate``: score' = cw score where the cosine passes ``threshold``.
    ``log_prior``: score' = score + log(K softmax(cos / tau)) / scale.

    Args:
        num_classes: K, classes that have a text embedding.
        settings: Resolved settings, with the name of the classifier.
        tower: The dense tower, if it is the classifier's, too.

    Raises:
        InputError: If no classifier is named.
    """

    def __init__(self, num_classes: int, settings: ClassWeightSettings,
                 tower: ClipBackbone | None = None) -> None:
        super().__init__()
        if settings.classifier is None:
            raise InputError('class_weight.classifier is None, expected the name of a CLIP model: '
                             'a student has no CLIP tower of its own.')
        self.settings = settings
        self.classifier = ImageClassifier(num_classes, settings.classifier, settings.cache_size,
                                          settings.cache_dir, tower)

    def of_images(self, metas: Sequence[dict], images: Tensor | None) -> Tensor:
        """Cosines of whole images with the classes.

        Args:
            metas: One dict an image; ``filename`` is its file.
            images: The network's inputs (B, 3, H, W), of whole images; None in
                training, where they are crops.

        Returns:
            (B, K).

        Raises:
            InputError: If a file can't be read, or there is none in training.
        """
        paths = [meta['filename'] for meta in metas if meta.get('filename')]
        if self.settings.source == 'file' and len(paths) == len(metas):
            return self.classifier.of_files(paths)
        if images is None:
            raise InputError('the class weight reads whole images, not training crops: the data '
                             "set must provide each image's file, with class_weight.source='file'.")
        return self.classifier.of_inputs(images, metas)

    def forward(self, scores: Tensor, cosines: Tensor, scale: float, skip: int = 0,
                row_class: Tensor | None = None) -> Tensor:
        """Weighted scores.

        Args:
            scores: (B, skip + K, h, w).
            cosines: Of the whole images, (B, K).
            scale: Factor that turns scores into log-odds: 100 for CLIP's
                cosines, 1 for the logits of a student.
            skip: Leading classes without a text embedding, which are left as they are.
            row_class: Where scores are those of queries, the class of each, (Q,);
                what has the id K is none of the classes and left as it is.

        Returns:
            Weighted scores of the same shape.
        """
        if skip:
            return torch.cat([scores[:, :skip], self(scores[:, skip:], cosines, scale)], dim=1)
        settings = self.settings
        if settings.mode == 'log_prior' and row_class is not None:
            nothing = cosines.new_zeros(*cosines.shape, 1, 1)
            shift = add_log_prior(nothing, cosines, settings.tau, scale)[:, :, 0, 0]
            return scores + F.pad(shift, (0, 1))[:, row_class, None, None].to(scores)
        if settings.mode == 'log_prior':
            return add_log_prior(scores, cosines, settings.tau, scale)
        weights = (softmax_weights(cosines, settings.tau) if settings.mode == 'softmax'
                   else gate_weights(cosines, settings.cw, settings.threshold))
        if row_class is not None:
            weights = F.pad(weights, (0, 1), value=1.0)[:, row_class]
        return multiply_scores(scores, weights)
