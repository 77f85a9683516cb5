"""The training-free head of MaskCLIP (Sec. 3.2 and 3.3)."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from mmseg.models.builder import HEADS
from torch import Tensor

from mmseg_maskclip.clip.text.auxiliary import check_auxiliary
from mmseg_maskclip.models.backbones import DenseFeatures
from mmseg_maskclip.models.decode_heads.text_head import TextHead
from mmseg_maskclip.models.refiners import QueryClasses
from mmseg_maskclip.ops import smooth_keys
from mmseg_maskclip.ops.refiners import SUPPRESSED, absent_classes
from mmseg_maskclip.utils import InputError, require_number

# BaseDecodeHead wants a loss, and warns about the default one.
_UNUSED_LOSS = {'type': 'CrossEntropyLoss', 'avg_non_ignore': True}


@HEADS.register_module()
class MaskClipHead(TextHead):
    """Scores every patch against the text embeddings, then refines the scores.

    Order: scores, prompt denoising, key smoothing; both refinements act on
    the feature grid, per image, and are off at threshold 0.

    Args:
        num_classes: K.
        text_channels: Width D of CLIP's joint space.
        vocabulary: As in :class:`TextHead`.
        templates: As in :class:`TextHead`.
        synonyms: As in :class:`TextHead`.
        text_embeddings_path: As in :class:`TextHead`.
        ks_thresh: Key smoothing threshold (the paper: 1.0); 0 is off.
        pd_thresh: Prompt denoising threshold (the paper: 0.5); 0 is off.
        attn_pooling: Keep the attention of the last layer, as in CLIP; there
            are no keys to smooth with then.
        auxiliary: ``dict(texts=..., weight=...)``, sentences about the classes that are
            mixed into their text embeddings, see
            :func:`~mmseg_maskclip.clip.text.auxiliary.mix_auxiliary`; None for none.
        kwargs: As in mmseg's ``BaseDecodeHead``.

    Attributes:
        num_contrast: So many of the last classes stand for what is none of the others;
            prompt denoising never removes them, or an unsure word would get their pixels.

    Raises:
        InputError: On thresholds outside [0, 1], or key smoothing together
            with ``attn_pooling``.
    """

    def __init__(self, num_classes: int, text_channels: int,
                 vocabulary: str | Sequence[str] | None = None,
                 templates: str | Sequence[str] = 'imagenet85', synonyms: str = 'mean',
                 text_embeddings_path: str | None = None, ks_thresh: float = 0.0,
                 pd_thresh: float = 0.0, attn_pooling: bool = False,
                 auxiliary: Mapping | None = None, **kwargs: Any) -> None:
        check_auxiliary(auxiliary)
        _check(num_classes, ks_thresh, pd_thresh, attn_pooling)
        kwargs = {'dropout_ratio': 0, 'init_cfg': None, 'loss_decode': dict(_UNUSED_LOSS), **kwargs}
        super().__init__(num_classes, text_channels, vocabulary, templates, synonyms,
                         text_embeddings_path, in_channels=text_channels, **kwargs)
        self.ks_thresh = ks_thresh
        self.pd_thresh = pd_thresh
        self.attn_pooling = attn_pooling
        self.auxiliary = auxiliary
        self.num_contrast = 0

    @property
    def needs_keys(self) -> bool:
        """Whether the backbone must return keys."""
        return self.ks_thresh > 0

    def forward(self, inputs: Sequence[Tensor] | DenseFeatures) -> Tensor:
        """Refined scores on the feature grid.

        Args:
            inputs: The backbone's dense features (B, D, h, w), alone in a
                sequence or with keys as :class:`DenseFeatures`.

        Returns:
            (B, K, h, w): cosines, or probabilities after key smoothing.
        """
        if not isinstance(inputs, DenseFeatures):
            inputs = DenseFeatures(inputs[-1])
        return self.refine(self.score(inputs), inputs.keys)

    def score(self, dense: DenseFeatures) -> Tensor:
        """Class scores of dense features, (B, K, h, w): cosines, or as the features say.

        Args:
            dense: The backbone's output.
        """
        return self.text(dense.features, normalise=not dense.scored_as_is)

    def refine(self, scores: Tensor, keys: Tensor | None,
               queries: QueryClasses | None = None) -> Tensor:
        """Prompt denoising, then key smoothing, each if its threshold is above 0.

        Args:
            scores: Cosines, (B, K, h, w).
            keys: Normalised keys, (B, h*w, C), or None.
            queries: Where scores are those of queries, their classes, which are
                removed as wholes.

        Returns:
            (B, K, h, w).
        """
        if self.pd_thresh > 0:
            classes = scores if queries is None else queries.pool_grid(scores)
            absent = absent_classes(classes, self.pd_thresh, self.num_contrast)
            if queries is not None:
                absent = absent[:, queries.row_class]
            scores = scores.masked_fill(absent, SUPPRESSED)
        if self.needs_keys:
            if keys is None:
                raise InputError("key smoothing (ks_thresh > 0) needs keys: use the 'MaskClip' "
                                 'segmentor, which gets them from the backbone.')
            scores = smooth_keys(scores, keys, self.ks_thresh)
        return scores

    def forward_train(self, *args: Any, **kwargs: Any) -> None:
        """MaskCLIP has nothing to train."""
        raise InputError('MaskCLIP is training-free: run it with tools/test.py; to train a '
                         'segmentor on its labels take a config of configs/maskclip_plus.')


def _check(num_classes: int, ks_thresh: float, pd_thresh: float, attn_pooling: bool) -> None:
    require_number(num_classes, 'num_classes', minimum=1, whole=True)
    for name, value in (('ks_thresh', ks_thresh), ('pd_thresh', pd_thresh)):
        require_number(value, name, minimum=0, maximum=1, hint='0 is off')
    if attn_pooling and ks_thresh > 0:
        raise InputError('attn_pooling leaves no keys to smooth with: set ks_thresh=0 or '
                         'attn_pooling=False.')
