"""MaskCLIP: a frozen CLIP that labels every pixel."""

from __future__ import annotations

from typing import Any, Sequence

from mmseg.models.builder import SEGMENTORS
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmseg_maskclip.clip import pick_device
from mmseg_maskclip.models.backbones import ClipBackbone, DenseFeatures
from mmseg_maskclip.models.clip_loading import load_clip
from mmseg_maskclip.models.decode_heads import MaskClipHead
from mmseg_maskclip.models.segmentors.tiled_inference import TiledInference
from mmseg_maskclip.utils import InputError


@SEGMENTORS.register_module()
class MaskClip(TiledInference, EncoderDecoder):
    """CLIP backbone and :class:`MaskClipHead`, training-free (MaskCLIP, Sec. 3.2).

    Args:
        backbone: Config of a ``ClipViT`` or ``ClipResNet``.
        decode_head: Config of a ``MaskClipHead``.
        clip_checkpoint: CLIP file that :meth:`init_weights` loads, in any
            form; ``tools/test.py`` takes the one on its command line instead.
        kwargs: As in mmseg's ``EncoderDecoder``.

    Raises:
        InputError: If the parts are of other types, or disagree on the width
            of CLIP's joint space.
    """

    def __init__(self, backbone: dict, decode_head: dict, clip_checkpoint: str | None = None,
                 **kwargs: Any) -> None:
        super().__init__(backbone=backbone, decode_head=decode_head, **kwargs)
        self.clip_checkpoint = clip_checkpoint
        if not isinstance(self.backbone, ClipBackbone):
            raise InputError(f"the backbone is {type(self.backbone).__name__}, 'ClipViT' or "
                             "'ClipResNet' was expected.")
        if not isinstance(self.decode_head, MaskClipHead):
            raise InputError(f"the head is {type(self.decode_head).__name__}, 'MaskClipHead' "
                             'was expected.')
        spec, channels = self.backbone.spec, self.decode_head.text_channels
        if spec.embed_dim != channels:
            raise InputError(f'text_channels is {channels}, CLIP model {spec.name} has '
                             f'{spec.embed_dim}: set model.decode_head.text_channels to that.')

    def init_weights(self) -> None:
        """Load ``clip_checkpoint``, if there is one.

        Raises:
            InputError: If it is missing, broken, or of another model.
        """
        if self.clip_checkpoint:
            load_clip(self, self.clip_checkpoint, pick_device())

    def extract_feat(self, img: Tensor) -> DenseFeatures:
        """Dense features, with keys where key smoothing is on.

        Args:
            img: (B, 3, H, W).

        Returns:
            What the head asks for.
        """
        head = self.decode_head
        return self.backbone.dense(img, keys=head.needs_keys, attention=head.attn_pooling)

    def score_classes(self, dense: DenseFeatures, classes: Sequence[int]) -> Tensor:
        """Refined scores as if some of the classes were all there are.

        Args:
            dense: What :meth:`extract_feat` gave.
            classes: Class ids, C of them; refinement sees these alone.

        Returns:
            (B, C, h, w).
        """
        scores = self.decode_head.text(dense.features)
        if len(classes) < scores.shape[1]:
            scores = scores[:, list(classes)]
        return self.decode_head.refine(scores, dense.keys)

    def score_grid(self, img: Tensor, img_metas: list[dict]) -> Tensor:
        """Refined scores on the feature grid, (B, K, h, w)."""
        return self.decode_head(self.extract_feat(img))
