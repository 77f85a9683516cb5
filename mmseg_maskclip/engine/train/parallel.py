"""A segmentor in mmcv's wrappers, on one device or shared by several processes."""

from __future__ import annotations

from typing import Any

from mmcv.parallel import MMDataParallel, MMDistributedDataParallel, is_module_wrapper
from torch import nn

from mmseg_maskclip.engine.distributed import device_of_process, mean_over_processes


class TrainDdp(MMDistributedDataParallel):
    """mmcv's wrapper, also on the CPU and with current torch."""

    def train_step(self, *inputs: Any, **kwargs: Any) -> dict:
        """One training step; the data come out of their containers."""
        if not self.device_ids:
            # Without device_ids mmcv leaves data in its containers; -1 is its name for the CPU.
            scattered, keywords = self.scatter(inputs, kwargs, [-1])
            inputs, kwargs = scattered[0], keywords[0]
        return super().train_step(*inputs, **kwargs)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """A test pass, which needs no other process."""
        devices = self.device_ids or [-1]
        scattered, keywords = self.scatter(inputs, kwargs, devices)
        return self.module(*scattered[0], **keywords[0])


def wrap_model(model: nn.Module, distributed: bool, find_unused: bool = False) -> nn.Module:
    """Move a segmentor to the device of this process and wrap it for training.

    Args:
        model: The segmentor.
        distributed: Whether there are several processes.
        find_unused: Whether a step may leave parameters unused. Not needed for
            the frozen teacher, which is not registered.
    """
    device = device_of_process()
    model = model.to(device)
    devices = [device.index] if device.type == 'cuda' else None
    if distributed:
        # As in mmseg, every process keeps its own BatchNorm statistics.
        return TrainDdp(model, device_ids=devices, broadcast_buffers=False,
                        find_unused_parameters=find_unused)
    return MMDataParallel(model, device_ids=devices or [])


def unwrap(model: nn.Module) -> nn.Module:
    """The segmentor itself."""
    return model.module if is_module_wrapper(model) else model


def share_means(model: nn.Module) -> None:
    """Let losses that divide by a count average it over the processes of the run.

    Args:
        model: The segmentor.
    """
    for module in model.modules():
        if hasattr(module, 'mean_over_processes'):
            module.mean_over_processes = mean_over_processes
