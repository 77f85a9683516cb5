"""What both CLIP image towers share: fidelity, input statistics, freezing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, NamedTuple, Optional, Sequence

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from torch import Tensor, nn

from mmseg_maskclip.clip import ClipSpec, get_spec, make_spec
from mmseg_maskclip.models.backbones.readouts import Guide
from mmseg_maskclip.ops import POSITIONS, is_symbolic, resize_positions
from mmseg_maskclip.utils import InputError

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
FIDELITIES = ('paper', 'clip')
_KEPT_GRIDS = 16
Feedback = Callable[[Tensor], Guide]


class DenseFeatures(NamedTuple):
    """Dense output of a CLIP tower.

    Attributes:
        features: Projected patch features, (B, D, h, w), not normalised.
        keys: Keys of the last attention, normalised for
            :func:`~mmseg_maskclip.ops.smooth_keys`, (B, h*w, C); None
            unless requested.
        image: CLIP's embedding of the whole image, (B, D), not normalised;
            None unless requested.
        scored_as_is: Whether dot products with the features are the scores, without
            normalising them first: the features are a mean of normalised ones, or the
            read-out asks for it.
    """

    features: Tensor
    keys: Optional[Tensor] = None
    image: Optional[Tensor] = None
    scored_as_is: bool = False


class QuickGELU(nn.Module):
    """x * sigmoid(1.702 x), the activation OpenAI's CLIP was trained with."""

    def forward(self, x: Tensor) -> Tensor:
        """Any shape in, the same shape out."""
        if torch.is_grad_enabled() and x.requires_grad:
            return x * torch.sigmoid(1.702 * x)
        # The same bits from one temporary in place of three: of a large image each is 100 MB.
        return (1.702 * x).sigmoid_().mul_(x)


class ClipBackbone(BaseModule):
    """Base of the CLIP image towers.

    ``fidelity='paper'`` repeats the official MaskCLIP (exact GELU, LayerNorm
    eps 1e-6, ImageNet statistics, each key channel normalised over positions,
    keys passed through the output projection), so that published numbers are
    reproduced; ``'clip'`` runs what CLIP was trained with (the model's own
    activation, eps and statistics; every key vector normalised). Pipelines
    stay as they are: in ``'clip'`` the ImageNet-normalised image is
    converted to CLIP's statistics by one affine step.

    Args:
        arch: Name of a CLIP model, or a dict of sizes
            (:func:`~mmseg_maskclip.clip.make_spec`).
        fidelity: ``'paper'`` or ``'clip'``.
        input_mean: Mean the pipeline subtracts, per RGB channel, 0..255.
        input_std: Standard deviation the pipeline divides by.
        frozen: Whether the tower stays in eval mode without gradients.
        positions: How the position table is resized to another grid, see
            :func:`~mmseg_maskclip.ops.resize_positions`.
        renormalise: Whether ``'clip'`` converts the pipeline's statistics; False, as
            ZegCLIP, shows the tower the image as the pipeline gives it.
        init_cfg: As in mmcv.

    Raises:
        InputError: If the fidelity or the model is unknown, or of the other
            kind of tower.
    """

    kind = ''

    def __init__(self, arch: str | dict, fidelity: str = 'paper',
                 input_mean: Sequence[float] = IMAGENET_MEAN,
                 input_std: Sequence[float] = IMAGENET_STD, frozen: bool = True,
                 positions: str = 'size', init_cfg: dict | None = None,
                 renormalise: bool = True) -> None:
        super().__init__(init_cfg)
        if positions not in POSITIONS:
            raise InputError(f'positions is {positions!r}, expected one of {POSITIONS}.')
        self.position_mode = positions
        # Of the table, where that is not the one CLIP was trained with.
        self.stored_grid: tuple[int, int] | None = None
        if fidelity not in FIDELITIES:
            raise InputError(f'fidelity is {fidelity!r}, expected one of {FIDELITIES}.')
        self.spec: ClipSpec = _resolve(arch, self.kind)
        self.fidelity = fidelity
        self.input_mean = tuple(input_mean)
        self.input_std = tuple(input_std)
        self.frozen = frozen
        self.forget()
        self._register_affine(renormalise)

    def _register_affine(self, renormalise: bool) -> None:
        """(x * std_in + mean_in - mean) / std as one scale and shift."""
        scale, shift = [1.0] * 3, [0.0] * 3
        # In 'paper' fidelity CLIP sees ImageNet's statistics, as in the official code.
        if self.fidelity == 'clip' and renormalise:
            mean = [255 * value for value in self.spec.mean]
            std = [255 * value for value in self.spec.std]
            scale = [given / own for given, own in zip(self.input_std, std)]
            shift = [(given - own) / deviation for given, own, deviation
                     in zip(self.input_mean, mean, std)]
        self.affine = scale != [1.0] * 3 or shift != [0.0] * 3
        for name, value in (('input_scale', scale), ('input_shift', shift)):
            # Not persistent: published backbone files have no such entries.
            self.register_buffer(name, torch.tensor(value).view(1, 3, 1, 1), persistent=False)

    def forget(self) -> None:
        """Drop what was made of the weights."""
        self._grids: dict = {}

    def freeze(self) -> None:
        """Turn gradients off for good; called at the end of construction."""
        if self.frozen:
            self.requires_grad_(False)
            # Else the BatchNorm of a ResNet would go on following its batches.
            self.eval()

    def use_activation(self, name: str) -> None:
        """Run with the activation the weights were trained with.

        Args:
            name: ``'quick_gelu'`` or ``'gelu'``.
        """
        self.spec = replace(self.spec, activation=name)

    def train(self, mode: bool = True) -> ClipBackbone:
        """Stay in eval mode where frozen."""
        # The runner calls train() on the whole model before every iteration.
        return super().train(mode and not self.frozen)

    def normalise(self, img: Tensor) -> Tensor:
        """Convert an image from the pipeline's statistics to the tower's.

        Args:
            img: (B, 3, H, W), normalised by the pipeline.

        Returns:
            (B, 3, H, W).
        """
        # The pipeline gives float32 also where the tower was cast to half precision.
        img = img.to(self.input_scale.dtype)
        if not self.affine:
            return img
        return torch.addcmul(self.input_shift, img, self.input_scale)

    def unnormalise(self, img: Tensor) -> Tensor:
        """The inverse of :meth:`normalise`, (B, 3, H, W)."""
        return (img - self.input_shift) / self.input_scale if self.affine else img

    def normalise_keys(self, keys: Tensor) -> Tensor:
        """Normalise keys for smoothing.

        Args:
            keys: (B, L, C).

        Returns:
            (B, L, C): every channel over the positions (``paper``) or every
            key vector (``clip``).
        """
        return F.normalize(keys, dim=1 if self.fidelity == 'paper' else 2)

    def positions(self, table: Tensor, grid: tuple[int, int]) -> Tensor:
        """Position table at a grid, resized once per size while frozen.

        Args:
            table: (1 + N, C) parameter.
            grid: (h, w).

        Returns:
            (1 + h*w, C).
        """
        # A table that is trained changes with every step, and needs a graph of its own; and so
        # does one of a grid whose size an exported graph does not know.
        if table.requires_grad or is_symbolic(*grid):
            return resize_positions(table, grid, self.position_mode, self.stored_grid)
        if grid not in self._grids:
            # Test sets have images of many sizes: without a limit each would keep its table.
            if len(self._grids) >= _KEPT_GRIDS:
                self._grids.clear()
            self._grids[grid] = resize_positions(table, grid, self.position_mode,
                                                 self.stored_grid)
        return self._grids[grid]

    def _apply(self, fn: Callable, *args: Any, **kwargs: Any) -> ClipBackbone:
        # What is cached is not a buffer: it does not move or cast with the module.
        self.forget()
        return super()._apply(fn, *args, **kwargs)

    def _load_from_state_dict(self, *args: Any) -> None:
        # What is cached is of the old weights.
        self.forget()
        super()._load_from_state_dict(*args)

    @property
    def encodes_images(self) -> bool:
        """Whether :meth:`encode_image` has all weights it needs."""
        return True

    def score_padding(self, size: int) -> tuple[int, int]:
        """Pixels padded around an image whose scores are cut off again.

        Args:
            size: Pixels of the image along one axis.

        Returns:
            How many before and after it; none here.
        """
        return 0, 0

    def dense(self, img: Tensor, keys: bool = False, attention: bool = False,
              image: bool = False, feedback: Feedback | None = None) -> DenseFeatures:
        """Dense features of an image batch.

        Args:
            img: (B, 3, H, W), normalised by the pipeline, any H and W.
            keys: Whether to return keys for smoothing.
            attention: Run the last layer with its attention, as CLIP does,
                instead of densely; no keys are returned then.
            image: Whether to return the embedding of :meth:`encode_image` too;
                all layers but the last are shared.
            feedback: Gives a guide for the features, (B, D, h, w), by which they are then
                read a second time; for ViTs.

        Returns:
            The features on the tower's grid.
        """
        raise NotImplementedError

    def encode_image(self, img: Tensor) -> Tensor:
        """CLIP's own image embedding.

        Args:
            img: (B, 3, H, W), normalised by the pipeline.

        Returns:
            (B, D), not normalised.
        """
        raise NotImplementedError

    def forward(self, img: Tensor) -> tuple[Tensor]:
        """Dense features as mmsegmentation's heads expect a backbone's output.

        Args:
            img: (B, 3, H, W), normalised by the pipeline.

        Returns:
            One map, (B, D, h, w).
        """
        return (self.dense(img).features,)


def _resolve(arch: str | dict, kind: str) -> ClipSpec:
    spec = make_spec(**{'kind': kind, **arch}) if isinstance(arch, dict) else get_spec(arch)
    if spec.kind != kind:
        right = 'ClipResNet' if spec.kind == 'resnet' else 'ClipViT'
        raise InputError(f'CLIP model {spec.name} has a {spec.kind} tower: use '
                         f"backbone type '{right}' for it.")
    return spec
