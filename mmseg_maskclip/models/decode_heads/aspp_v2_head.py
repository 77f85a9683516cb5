"""The decoder of DeepLab v2."""

from __future__ import annotations

from typing import Any, Sequence

from mmseg.models.builder import HEADS
from mmseg.models.decode_heads.aspp_head import ASPPModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor


@HEADS.register_module()
class ASPPHeadV2(BaseDecodeHead):
    """Atrous spatial pyramid of DeepLab v2 (arXiv 1606.00915, Sec. 3.2).

    Parallel dilated convolutions whose outputs are summed: no concatenation,
    no bottleneck, no image pooling.

    Args:
        dilations: Dilation of each branch; 1 makes a 1x1 convolution.
        kwargs: As in mmseg's ``BaseDecodeHead``.
    """

    def __init__(self, dilations: Sequence[int] = (6, 12, 18, 24), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dilations = tuple(dilations)
        self.aspp_modules = ASPPModule(
            self.dilations, self.in_channels, self.channels, conv_cfg=self.conv_cfg,
            norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Class scores.

        Args:
            inputs: The backbone's feature maps.

        Returns:
            (B, num_classes, h, w).
        """
        return self.cls_seg(sum(self.aspp_modules(self._transform_inputs(inputs))))
