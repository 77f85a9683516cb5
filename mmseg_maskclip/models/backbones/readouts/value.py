"""MaskCLIP's read-out: the value of every patch, without attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from torch import Tensor, nn

from mmseg_maskclip.models.backbones.readouts.registry import READOUTS

if TYPE_CHECKING:
    from mmseg_maskclip.models.backbones.clip_vit import Block


@READOUTS.register_module()
class ValueReadout(nn.Module):
    """The last block with its attention matrix replaced by the identity.

    Every patch attends to itself alone: v = out_proj(value(LN1(x))), then the
    block's residual and feed-forward part as they are (MaskCLIP, Sec. 3.2).

    Args:
        residual: Keep the residual connection around the attention.
        ffn: Keep the feed-forward part (with its residual).
    """

    def __init__(self, residual: bool = True, ffn: bool = True) -> None:
        super().__init__()
        self.residual = residual
        self.ffn = ffn

    def forward(self, block: Block, tokens: Tensor, keys: bool,
                project_keys: bool) -> tuple[Tensor, Optional[Tensor]]:
        """Read the patch tokens.

        Args:
            block: The last transformer block.
            tokens: Its input, class token first, (B, 1 + L, C).
            keys: Whether to return keys.
            project_keys: Pass keys through the output projection, as the
                official implementation does.

        Returns:
            Patch tokens (B, L, C), and keys (B, L, C) or None.
        """
        # Without attention nothing of the class token reaches a patch.
        patches = tokens[:, 1:]
        normed = block.ln1(patches)
        values = block.attn.value(normed)
        patches = patches + values if self.residual else values
        if self.ffn:
            patches = patches + block.ffn(block.ln2(patches))
        if not keys:
            return patches, None
        return patches, block.attn.key(normed, project_keys)
