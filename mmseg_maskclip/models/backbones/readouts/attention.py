"""CLIP's own read-out: the last block with its attention."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from torch import Tensor, nn

from mmseg_maskclip.models.backbones.readouts.registry import READOUTS

if TYPE_CHECKING:
    from mmseg_maskclip.models.backbones.clip_vit import Block


@READOUTS.register_module()
class AttentionReadout(nn.Module):
    """The last block as CLIP runs it, with its attention."""

    def forward(self, block: Block, tokens: Tensor, keys: bool,
                project_keys: bool) -> tuple[Tensor, Optional[Tensor]]:
        """Read the patch tokens; arguments as in :class:`ValueReadout`."""
        patches = block(tokens)[:, 1:]
        if not keys:
            return patches, None
        return patches, block.attn.key(block.ln1(tokens[:, 1:]), project_keys)
