"""A second read-out, guided by the labels of the first (ResCLIP, Sec. 3.3)."""

from __future__ import annotations

from typing import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.models.backbones import ClipBackbone, ClipViT
from mmseg_maskclip.models.backbones.readouts import AttentionReadout, Guide
from mmseg_maskclip.models.refiners import Pamr
from mmseg_maskclip.ops import entity_matrix, patch_labels, score_patches
from mmseg_maskclip.ops.precision import full_precision
from mmseg_maskclip.utils import InputError, require_number


class SemanticFeedback:
    """ResCLIP's semantic feedback refinement: labels of a first read-out guide a second one.

    The cosines of the first, refined by PAMR, give each patch a label; which patches belong
    together then enters the attention logits of the second.

    Args:
        scale: Factor of the attention logits of the second read-out.
        weight: Share of the labels in them.
        min_prob: Pixels whose best query is less probable get the first query's label.
        logit_scale: Factor of the cosines before the softmax over the queries.
        iterations: Of PAMR.
        dilations: Of PAMR.
        same_entity: See :func:`~mmseg_maskclip.ops.entity_matrix`.

    Raises:
        InputError: On impossible settings.
    """

    def __init__(self, scale: float = 2.2, weight: float = 0.7, min_prob: float = 0.3,
                 logit_scale: float = 40.0, iterations: int = 10,
                 dilations: Sequence[int] = (8, 16), same_entity: bool = True) -> None:
        self.scale = require_number(scale, 'feedback.scale', above=0)
        self.weight = require_number(weight, 'feedback.weight', minimum=0, maximum=1)
        self.min_prob = require_number(min_prob, 'feedback.min_prob', minimum=0, maximum=1)
        self.logit_scale = require_number(logit_scale, 'feedback.logit_scale', above=0)
        self.pamr = Pamr(iterations, dilations)
        self.same_entity = same_entity

    @classmethod
    def of(cls, settings: dict, backbone: ClipBackbone) -> SemanticFeedback:
        """From a config, for a tower whose read-out takes a guide.

        Args:
            settings: The arguments.
            backbone: The tower.

        Raises:
            InputError: On unknown settings, or another tower or read-out.
        """
        if not isinstance(backbone, ClipViT) or not isinstance(backbone.readout, AttentionReadout):
            raise InputError('model.feedback guides the attention of a ViT: it needs a ClipViT '
                             'backbone with an AttentionReadout.')
        if not set(backbone.readout.pairs) - {'v', 'bias'}:
            raise InputError('model.feedback guides an attention: the read-out compares no '
                             f'queries, keys or values, pairs={backbone.readout.pairs}.')
        try:
            return cls(**settings)
        except TypeError as error:
            raise InputError(f'model.feedback is {dict(settings)!r}: {error}.') from error

    def guide(self, features: Tensor, img: Tensor, text: Tensor, backbone: ClipViT) -> Guide:
        """What the first read-out says about the second.

        Args:
            features: Its features, (B, D, h, w).
            img: The images, (B, 3, H, W).
            text: Text embeddings of the queries, (Q, D).
            backbone: The tower.

        Returns:
            The guide, one matrix an image.
        """
        cosines = score_patches(features, text)
        patch = backbone.patch_embed.patch_size
        (top, bottom), (left, right) = (backbone.patch_embed.padding(size)
                                        for size in img.shape[2:])
        # As the tower saw them: with their padding, or without what it left out.
        seen = F.pad(img, (left, right, top, bottom))
        # Autocast would smooth the matrix, and compare pixels, in half precision.
        with full_precision(cosines):
            matrices = [entity_matrix(self.label_patches(one, picture, patch),
                                      same_entity=self.same_entity)
                        for one, picture in zip(cosines, seen)]
        return Guide(torch.stack(matrices), self.scale, self.weight)

    def label_patches(self, cosines: Tensor, picture: Tensor, patch: int) -> Tensor:
        """The query that each patch belongs to, (h, w).

        Args:
            cosines: Of the queries, (Q, h, w).
            picture: (3, H, W), H >= h * patch, W >= w * patch.
            patch: Side of a patch.
        """
        probability = self.first_probabilities(cosines, picture)
        best, label = probability.max(dim=0)
        label = label.masked_fill(best < self.min_prob, 0)
        height, width = (size * patch for size in cosines.shape[1:])
        return patch_labels(label[:height, :width], patch, len(cosines))

    def first_probabilities(self, cosines: Tensor, picture: Tensor) -> Tensor:
        """Probabilities of the queries at the picture's size after PAMR, (Q, H, W).

        Args:
            cosines: (Q, h, w).
            picture: (3, H, W).
        """
        large = F.interpolate(cosines[None], size=picture.shape[1:], mode='bilinear')[0]
        large = self.pamr(large.contiguous(), picture)
        return (self.logit_scale * large).softmax(dim=0)
