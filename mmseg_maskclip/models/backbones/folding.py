"""A frozen convolutional trunk as it runs fastest: batch norms folded, channels last."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def folded(trunk: nn.Module) -> nn.Module:
    """A copy of a trunk in evaluation mode whose batch norms are part of its convolutions.

    A batch norm at rest scales and shifts each channel, which the convolution before it can do:
    w' = w * gamma / sqrt(var + eps), b' = beta - mean * gamma / sqrt(var + eps).

    Args:
        trunk: Batch norms are named right after the convolutions they follow.

    Returns:
        The copy, its weights laid out channels last, without gradients.
    """
    trunk = copy.deepcopy(trunk).eval().requires_grad_(False)
    for module in list(trunk.modules()):
        parts = list(module.named_children())
        for (name, first), (after, second) in zip(parts, parts[1:]):
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                module.add_module(name, fuse_conv_bn_eval(first, second))
                module.add_module(after, nn.Identity())
    return trunk.to(memory_format=torch.channels_last)


def joined(first: nn.Linear, second: nn.Linear) -> tuple[Tensor, Tensor]:
    """Weight and bias of two linear layers in a row as those of one.

    Args:
        first: From A to B channels.
        second: From B to C channels.

    Returns:
        (C, A) and (C,), in the type of the layers.
    """
    # Products of half precision would be rounded twice.
    weight = second.weight.float() @ first.weight.float()
    bias = second.weight.float() @ first.bias.float() + second.bias.float()
    return weight.to(first.weight), bias.to(first.weight)
