"""The student's head of MaskCLIP+ (Sec. 3.4): any decoder, classified by text."""

from __future__ import annotations

import copy
from typing import Any, Sequence

import torch
import torch.nn.functional as F
from mmseg.models.builder import HEADS, build_head
from mmseg.models.decode_heads.cascade_decode_head import BaseCascadeDecodeHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmseg_maskclip.models.decode_heads.text_head import TextHead
from mmseg_maskclip.utils import InputError

_SUITABLE = 'Take one such as ASPPHeadV2, FCNHead, PSPHead, UPerHead or SegformerHead.'
_OWN = ('dropout_ratio', 'conv_cfg', 'norm_cfg', 'act_cfg', 'align_corners')


def _shown_settings(config: dict) -> dict:
    return {key: config[key] for key in config if key not in ('loss_decode', 'init_cfg', 'type')}


def _identity(features: Tensor) -> Tensor:
    """In place of a decoder's classifier."""
    return features


def build_decoder(config: dict, channels: int) -> nn.Module:
    """A segmentation head of mmseg without its classifier and dropout.

    Nearly every head of mmseg ends in ``cls_seg(features)``; without that step
    it returns its features. Heads that need the scores of another head (OCR,
    point heads), or return more than one map (DA, EncNet), cannot be used. The
    config is not changed.

    Args:
        config: Config of the head.
        channels: Width of the features.

    Returns:
        The head; its forward returns (B, channels, h, w).

    Raises:
        InputError: If the config has another width, or a head that cannot be
            used.
    """
    config = copy.deepcopy(dict(config))
    if config.setdefault('channels', channels) != channels:
        raise InputError(f"the decoder has channels={config['channels']}, the text embeddings "
                         f'{channels}: they are dotted with each other and must agree.')
    # Any number will do: the classifier of this size is deleted below.
    config.setdefault('num_classes', 2)
    config.setdefault('out_channels', config['num_classes'])
    # Deleted below, too; mmseg warns about its default.
    config['loss_decode'] = {'type': 'CrossEntropyLoss', 'avg_non_ignore': True}
    config['init_cfg'] = None
    name = config.get('type')
    kind = name if isinstance(name, type) else HEADS.get(str(name))
    unsuited = kind and (not issubclass(kind, BaseDecodeHead)
                         or issubclass(kind, BaseCascadeDecodeHead))
    try:
        decoder = None if unsuited else build_head(config)
    except AssertionError as error:
        # mmseg checks its arguments by assertions, often without a message.
        raise InputError(f'{kind.__name__} of mmseg refuses the settings of the decoder, '
                         f'{_shown_settings(config)}: see its docstring.') from error
    if decoder is None or not hasattr(decoder, 'conv_seg'):
        raise InputError(f"decoder {kind.__name__} does not end in mmseg's cls_seg(features), "
                         f'which the text embeddings replace. {_SUITABLE}')
    del decoder.conv_seg, decoder.loss_decode
    # The outer head drops features itself, once pseudo-labels have been read from them.
    decoder.dropout = None
    decoder.cls_seg = _identity
    return decoder


@HEADS.register_module()
class MaskClipPlusHead(TextHead):
    """Decoder features dotted with fixed text embeddings.

    Args:
        decoder: Config of an mmseg head, see :func:`build_decoder`; where it
            has no ``in_channels``, ``in_index``, ``input_transform``, norm or
            activation, those of this head are used.
        num_classes: K, with the background where ``cls_bg``.
        text_channels: D, the width of the text embeddings.
        cls_bg: Learn an embedding of the background, class 0; the text embeddings are
            classes 1 to K - 1.
        norm_feat: L2-normalise the features before the dot product.
        vocabulary: As in :class:`TextHead`.
        templates: As in :class:`TextHead`.
        synonyms: As in :class:`TextHead`.
        text_embeddings_path: As in :class:`TextHead`.
        kwargs: As in mmseg's ``BaseDecodeHead``.
    """

    def __init__(self, decoder: dict, num_classes: int, text_channels: int,
                 cls_bg: bool = False, norm_feat: bool = False,
                 vocabulary: str | Sequence[str] | None = None,
                 templates: str | Sequence[str] = 'imagenet85', synonyms: str = 'mean',
                 text_embeddings_path: str | None = None, **kwargs: Any) -> None:
        kwargs = {'init_cfg': None, **kwargs}
        shared = {key: kwargs[key] for key in (*_OWN, 'in_channels', 'in_index',
                                               'input_transform') if key in kwargs}
        # in_channels may be the decoder's alone, and mmseg wants one here.
        super().__init__(num_classes, text_channels, vocabulary, templates, synonyms,
                         text_embeddings_path, background=int(cls_bg),
                         **{'in_channels': text_channels, **kwargs})
        self.cls_bg = cls_bg
        self.norm_feat = norm_feat
        self.decode_module = build_decoder({**shared, **decoder}, text_channels)
        if cls_bg:
            self.bg_embeddings = nn.Parameter(torch.randn(1, text_channels))

    def features(self, inputs: Sequence[Tensor]) -> Tensor:
        """Decoder features, (B, text_channels, h, w).

        Args:
            inputs: The student backbone's feature maps.

        Raises:
            InputError: If the decoder returns anything else.
        """
        features = self.decode_module(inputs)
        if not isinstance(features, Tensor) or features.shape[1] != self.text_channels:
            kind = type(features).__name__ if not isinstance(features, Tensor) else tuple(
                features.shape)
            raise InputError(f'decoder {type(self.decode_module).__name__} returns {kind}, '
                             f'expected one map (B, {self.text_channels}, h, w). {_SUITABLE}')
        return features

    def classify(self, features: Tensor) -> Tensor:
        """Class scores of decoder features.

        Args:
            features: (B, text_channels, h, w).

        Returns:
            (B, K, h, w), the background first where there is one.
        """
        if self.norm_feat:
            features = F.normalize(features, dim=1)
        scores = self.text(features, normalise=False)
        if not self.cls_bg:
            return scores
        # Unit-norm as the text embeddings are, or its logits would have a scale of their own.
        background = F.normalize(self.bg_embeddings, dim=1)[:, :, None, None]
        return torch.cat([F.conv2d(features, background.to(features)), scores], dim=1)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Class scores, (B, K, h, w).

        Args:
            inputs: The student backbone's feature maps.
        """
        features = self.features(inputs)
        if self.dropout is not None:
            features = self.dropout(features)
        return self.classify(features)
