"""The read-out of the earlier ``maskclip`` package: values beside CLIP's ordinary output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from mmseg_maskclip.models.backbones.readouts.attention import AttentionReadout
from mmseg_maskclip.models.backbones.readouts.base import READOUTS, Readout
from mmseg_maskclip.models.backbones.readouts.trace import Guide, Trace
from mmseg_maskclip.utils import InputError

if TYPE_CHECKING:
    from mmseg_maskclip.models.backbones.clip_resnet import AttentionPool

_POOLED_SHARE = 0.5


@READOUTS.register_module()
class AddedValueReadout(Readout):
    """CLIP's last block with its values added once more (akanametov/MaskCLIP).

    Of a ViT, Y = O(v) + X_out, where X_out is what the last block gives, attention and
    feed-forward part included, and v are its values; without the final LayerNorm. Of a ResNet,
    c(v) + out / 2, where out is the attention pool's output at every position; position
    embeddings are added before both. Features are scored as they are, without L2 normalisation.
    """

    final_norm = False
    unit_features = False
    reads_pool = True

    def __init__(self) -> None:
        super().__init__()
        self._block = AttentionReadout()

    def forward(self, trace: Trace, guide: Guide | None = None) -> Tensor:
        """See :meth:`Readout.forward`.

        Raises:
            InputError: If there is a guide.
        """
        if guide is not None:
            raise InputError('AddedValueReadout takes no guide: model.feedback is for '
                             'AttentionReadout.')
        last = trace.depth
        values = trace.project(last, 'v')[:, :, trace.leading:]
        return self._block(trace) + trace.block(last).attn.merge(values)

    def read_pool(self, pool: AttentionPool, tokens: Tensor) -> Tensor:
        """See :meth:`Readout.read_pool`."""
        return pool.value(tokens[:, 1:]) + _POOLED_SHARE * pool(tokens)[:, 1:]
