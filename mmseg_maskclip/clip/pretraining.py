"""open_clip's model, tokenizer and loss, for pretraining a CLIP of any size."""

from __future__ import annotations

from typing import Any, Callable, Mapping

from torch import Tensor, nn

from mmseg_maskclip.clip.spec import OPENAI_MEAN as MEAN
from mmseg_maskclip.clip.spec import OPENAI_STD as STD

__all__ = ['MEAN', 'STD', 'build_open_clip', 'clip_loss', 'open_clip_version', 'tokenizer']


def open_clip_version() -> str:
    """Version of the installed open_clip."""
    import open_clip

    return open_clip.__version__


def build_open_clip(sizes: Mapping[str, Any]) -> nn.Module:
    """A freshly initialised ``open_clip.CLIP``.

    Args:
        sizes: ``embed_dim``, ``vision_cfg``, ``text_cfg`` and ``quick_gelu``, in
            the form of open_clip's model configs.
    """
    import open_clip

    return open_clip.CLIP(
        embed_dim=sizes['embed_dim'],
        vision_cfg=open_clip.CLIPVisionCfg(**sizes['vision_cfg']),
        text_cfg=open_clip.CLIPTextCfg(**sizes['text_cfg']),
        quick_gelu=sizes.get('quick_gelu', False))


def tokenizer(context_length: int) -> Callable[[list[str]], Tensor]:
    """CLIP's tokenizer.

    Args:
        context_length: Tokens per sentence; shorter ones are padded with zeros.

    Returns:
        A function from N sentences to token ids, (N, context_length), int64.
    """
    import open_clip

    return open_clip.SimpleTokenizer(context_length=context_length)


def clip_loss(image_features: Tensor, text_features: Tensor, logit_scale: Tensor) -> Tensor:
    """The symmetric contrastive loss (CLIP, Fig. 3), a scalar.

    Args:
        image_features: L2-normalised image embeddings, (B, D).
        text_features: L2-normalised text embeddings of the same pairs, (B, D).
        logit_scale: Factor of the cosines, a scalar.
    """
    import open_clip

    return open_clip.ClipLoss()(image_features, text_features, logit_scale)
