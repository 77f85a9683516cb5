"""MaskCLIP: a frozen CLIP that labels every pixel."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Mapping, Sequence, cast

import torch
from mmseg.models.builder import SEGMENTORS
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmseg_maskclip.clip import TextBank, pick_device
from mmseg_maskclip.models.backbones import ClipBackbone, DenseFeatures
from mmseg_maskclip.models.backbones.readouts import Guide
from mmseg_maskclip.models.class_weight.build import DenseClip, build_class_weight
from mmseg_maskclip.models.class_weight.settings import ClassWeightSettings
from mmseg_maskclip.models.decode_heads import MaskClipHead
from mmseg_maskclip.models.refiners import QueryClasses, Refiners
from mmseg_maskclip.models.segmentors.encoding import EncodesInputs
from mmseg_maskclip.models.segmentors.feedback import SemanticFeedback
from mmseg_maskclip.models.segmentors.refined_inference import RefinedInference
from mmseg_maskclip.models.segmentors.replaceable_classes import ReplaceableClasses
from mmseg_maskclip.models.segmentors.views import ImageViews
from mmseg_maskclip.models.weights.clip import load_clip
from mmseg_maskclip.ops import LOGIT_SCALE, class_softmax
from mmseg_maskclip.utils import InputError

# Keeps pixels whose scores are all equal from a division by zero: each class gets 1 / K.
_TINY = 1e-12


@SEGMENTORS.register_module()
class MaskClip(EncodesInputs, ReplaceableClasses, RefinedInference, EncoderDecoder):
    """CLIP backbone and :class:`MaskClipHead`, training-free (MaskCLIP, Sec. 3.2).

    Args:
        backbone: Config of a ``ClipViT`` or ``ClipResNet``.
        decode_head: Config of a ``MaskClipHead``.
        clip_checkpoint: CLIP file that :meth:`init_weights` loads, in any
            form; ``tools/test.py`` takes the one on its command line instead.
        class_weight: Keys of :class:`ClassWeightSettings`; None for no class weight.
        refine: Configs of :class:`Refiners`, in their order; None for none.
        feedback: Arguments of :class:`SemanticFeedback`; None reads the features once.
        views: Arguments of :class:`ImageViews`; None sees each image once.
        kwargs: As in mmseg's ``EncoderDecoder``.

    Raises:
        InputError: If the parts are of other types, or disagree on the width
            of CLIP's joint space or on the classes.
    """

    def __init__(self, backbone: dict, decode_head: dict, clip_checkpoint: str | None = None,
                 class_weight: dict | None = None, refine: Sequence[Mapping] | None = None,
                 feedback: dict | None = None, views: dict | None = None, **kwargs: Any) -> None:
        super().__init__(backbone=backbone, decode_head=decode_head, **kwargs)
        self.clip_checkpoint = clip_checkpoint
        if not isinstance(self.backbone, ClipBackbone):
            raise InputError(f"the backbone is {type(self.backbone).__name__}, expected 'ClipViT' "
                             "or 'ClipResNet'.")
        if not isinstance(self.decode_head, MaskClipHead):
            raise InputError(f"the head is {type(self.decode_head).__name__}, expected "
                             "'MaskClipHead'.")
        self.decode_head.require_width(self.backbone.spec)
        if feedback is not None and self.decode_head.attn_pooling:
            raise InputError('attn_pooling reads CLIP as it is, which model.feedback does not '
                             'guide: set one of them alone.')
        self.feedback = None if feedback is None else SemanticFeedback.of(feedback, self.backbone)
        self.views = None if views is None else ImageViews.of(views)
        self.refiners = Refiners(refine)
        background = self.refiners.background
        if background is not None:
            background.check(self.decode_head.num_classes)
            self.decode_head.expect_words(background.words)
        if class_weight is not None:
            dense = DenseClip(self.backbone.spec.name, self.backbone.fidelity, tower=self.backbone,
                              gives_class_token=True)
            self.set_unregistered('class_weight', build_class_weight(
                ClassWeightSettings.of(class_weight), self.decode_head.num_classes, dense))

    def init_weights(self) -> None:
        """Load ``clip_checkpoint``, if there is one.

        Raises:
            InputError: If it is missing, broken, or of another model.
        """
        if self.clip_checkpoint:
            load_clip(self, self.clip_checkpoint, pick_device())

    def replace_classes(self, bank: TextBank, prior_bank: TextBank | None = None,
                        background: int | str | None = None) -> None:
        """Segment into other classes from now on; contrast words stay.

        Args:
            bank: As in :class:`ReplaceableClasses`.
            prior_bank: As there.
            background: Where :class:`Background` declares a class, the one of the
                new classes that is the background, or ``'none'``; None keeps the
                id, whose new name must say background.

        Raises:
            InputError: As there, or if there is no such background.
        """
        found = self.refiners.background
        label = None if found is None else found.among(bank, background)
        super().replace_classes(bank, prior_bank)
        if found is not None:
            found.label = label

    @property
    def reads_for_classes(self) -> bool:
        """See :class:`EncodesInputs`; feedback labels patches by the classes."""
        return self.feedback is not None

    def read_window(self, img: Tensor) -> DenseFeatures:
        """Dense features with CLIP's embedding; see :class:`EncodesInputs`."""
        return self.extract_feat(img, image=self.backbone.encodes_images)

    def extract_feat(self, img: Tensor, whole: bool = False, image: bool = False) -> DenseFeatures:
        """Dense features, with keys where key smoothing is on.

        Args:
            img: (B, 3, H, W).
            whole: Whether these are no windows of images, whatever ``test_cfg`` says.
            image: Whether to return CLIP's embedding also where no prior reads it.

        Returns:
            Features; keys and class token only where they are used.
        """
        image = image or self._reads_class_token or (
            self.refiners.class_prior is not None and (whole or self._tests_whole))
        dense = self._read(img, keys=self.decode_head.needs_keys, image=image)
        if self.views is None:
            return dense
        others = self._read(self.views.of_images(img, self.backbone))
        features = self.views.combine(torch.cat([dense.features, others.features]))
        return dense._replace(features=features, scored_as_is=True)

    def _read(self, img: Tensor, keys: bool = False, image: bool = False) -> DenseFeatures:
        """Dense features, read a second time where there is feedback."""
        head, feedback, guide = self.decode_head, self.feedback, None
        if feedback is not None:
            def guide(features: Tensor) -> Guide:
                return feedback.guide(features, img, head.text.embeddings, self.backbone)

        return self.backbone.dense(img, keys=keys, attention=head.attn_pooling, image=image,
                                   feedback=guide)

    @property
    def _tests_whole(self) -> bool:
        return self.test_cfg.get('mode') == 'whole'

    @property
    def _reads_class_token(self) -> bool:
        """Whether the class weight's prior is the class token of the dense forward."""
        return (self.class_weight is not None and self._tests_whole
                and self.class_weight.settings.source == 'class_token')

    def token_of(self, img: Tensor) -> Tensor | None:
        """Embeddings of whole images, (B, D); see :class:`TiledInference`."""
        if self.refiners.class_prior is None or self._tests_whole:
            return None
        # The class token of a window would describe the window only.
        return self.backbone.encode_image(img)

    def score_padding(self, size: int) -> tuple[int, int]:
        """What the tower pads around a window and the grid covers; see :class:`TiledInference`."""
        return self.backbone.score_padding(size)

    def prior_of(self, img: Tensor, img_metas: list[dict]) -> Tensor | None:
        """Cosines of whole images with the classes, (B, K); see :class:`TiledInference`."""
        if self.class_weight is None or self._reads_class_token:
            return None
        if self.class_weight.settings.source == 'class_token':
            # The class token of a window would describe the window only.
            return self.class_weight.classifier.cosines(self.backbone.encode_image(img))
        return self.class_weight.of_images(img_metas, img)

    def probabilities(self, scores: Tensor) -> Tensor:
        """Class probabilities, (..., K), of refined scores.

        For cosines, the softmax at CLIP's own temperature. Scores after key
        smoothing are sums of probabilities: they are shifted to start at 0 (the
        keys of a pair may point away from each other) and normalised.
        """
        if not self.decode_head.needs_keys:
            return super().probabilities(LOGIT_SCALE * scores)
        positive = scores - scores.amin(dim=-1, keepdim=True) + _TINY
        return positive / positive.sum(dim=-1, keepdim=True)

    def query_probabilities(self, scores: Tensor) -> Tensor:
        """Probabilities of queries, by the scale of Background; see :class:`RefinedInference`.

        Args:
            scores: Refined scores, (..., Q).
        """
        if self.decode_head.needs_keys or self.refiners.background is None:
            # After key smoothing they are probabilities already.
            return self.probabilities(scores)
        return class_softmax(self.refiners.background.scale * scores)

    def score_queries(self, dense: DenseFeatures, queries: QueryClasses,
                      weight: Callable[..., Tensor] | None = None,
                      token: Tensor | None = None) -> Tensor:
        """Refined scores of queries, or of their classes where no later refiner needs queries.

        Args:
            dense: Output of :meth:`extract_feat`.
            queries: The queries that compete; refinement sees no others.
            weight: Reweights the scores (B, Q, h, w), given the class of each
                query as ``row_class``, before they are refined.
            token: Output of :meth:`token_of`; None for that of the features.

        Returns:
            (B, Q, h, w) or (B, K, h, w).
        """
        head = self.decode_head
        scores = head.text.query_scores(dense.features, normalise=not dense.scored_as_is)
        embeddings = head.text.embeddings
        if queries.rows is not None:
            scores, embeddings = scores[:, queries.rows], embeddings[queries.rows]
        if weight is not None:
            scores = weight(scores, row_class=queries.row_class)
        if self.refiners.class_prior is not None:
            scores = self.refiners.class_prior(
                scores, cast(Tensor, dense.image if token is None else token), embeddings)
        if self.refiners.needs_queries:
            return head.refine(scores, dense.keys, queries)
        return head.refine(queries.pool_grid(scores), dense.keys)

    def score_classes(self, dense: DenseFeatures, classes: Sequence[int],
                      weight: Callable[..., Tensor] | None = None) -> Tensor:
        """Refined scores over a subset of the classes.

        Args:
            dense: Output of :meth:`extract_feat`.
            classes: Class ids, C of them; refinement sees no others.
            weight: Reweights the scores (B, C, h, w) before they are refined.

        Returns:
            (B, C, h, w).
        """
        if self.refiners.class_prior is not None:
            return self.score_queries(dense, self.candidates(classes), weight)
        scores = self.decode_head.score(dense)
        # Indexing copies, and most teachers give all of their classes.
        if tuple(classes) != tuple(range(scores.shape[1])):
            scores = scores[:, list(classes)]
        if weight is not None:
            scores = weight(scores)
        return self.decode_head.refine(scores, dense.keys)

    def score_grid(self, img: Tensor, img_metas: list[dict], prior: Tensor | None = None,
                   token: Tensor | None = None) -> Tensor:
        """Weighted and refined scores on the feature grid, (B, K, h, w), or of queries."""
        return self.score_features(self.extract_feat(img), prior, token)

    def score_features(self, features: DenseFeatures, prior: Tensor | None = None,
                       token: Tensor | None = None) -> Tensor:
        """See :class:`EncodesInputs`; of queries where refiners need these."""
        weight = self.class_weight
        if weight is not None and prior is None:
            # Then the dense forward has read the class token, see _reads_class_token.
            prior = weight.classifier.cosines(cast(Tensor, features.image))
        if self.refiners.needs_queries or self.refiners.class_prior is not None:
            reweigh = None if weight is None else partial(weight, cosines=prior, scale=LOGIT_SCALE)
            return self.score_queries(features, self.query_classes, reweigh, token)
        if weight is None:
            return self.decode_head(features)
        scores = weight(self.decode_head.score(features), prior, LOGIT_SCALE)
        return self.decode_head.refine(scores, features.keys)
