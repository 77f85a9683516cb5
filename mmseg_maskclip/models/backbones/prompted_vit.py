"""CLIP's Vision Transformer with learned visual prompts (ZegCLIP, deep prompt tuning)."""

from __future__ import annotations

import math
from typing import Any, Sequence, cast

import torch
from mmcv.runner import BaseModule
from mmseg.models.builder import BACKBONES
from torch import Tensor, nn

from mmseg_maskclip.clip import ClipSpec, get_spec
from mmseg_maskclip.models.backbones.base import DenseFeatures
from mmseg_maskclip.models.backbones.clip_vit import ClipViT
from mmseg_maskclip.models.unregistered import UnregisteredModules
from mmseg_maskclip.utils import InputError, require_number

PROMPT_NORM_EPS = 1e-6
DEPTHS = ('deep', 'shallow')


@BACKBONES.register_module()
class PromptedClipViT(UnregisteredModules, BaseModule):
    """Frozen CLIP ViT, and prompts that its blocks see beside the patches.

    Only the prompts, their projection and their norm are parameters of this module, under the
    names of ZegCLIP's checkpoints. The tower is CLIP as it was trained, and not registered: no
    optimizer, no DDP bucket and no ordinary checkpoint sees it.

    Prompts of a block are learned anew (VPT-deep, arXiv 2203.12119): what the block before has
    made of its own is not even computed. They stand behind the patches, which attention does
    not notice.

    Args:
        arch: Name of a CLIP ViT, or a dict of sizes.
        num_prompts: Prompts n of a block; 0 is the tower alone.
        prompt_depth: ``'deep'``, prompts of its own for every block; ``'shallow'``, those of
            the first block go through all of them; k > 0, for the first k blocks, behind which
            there are none; -k, for the last k.
        prompt_dropout: Of the projected prompts.
        prompt_norm: Whether a learned LayerNorm stands before CLIP's last one.
        prompt_dim: Width of the prompts, which must be the tower's; None is that.
        positions: See :class:`ClipViT`.
        stored_grid: See there.
        pad: See there.
        renormalise: See there; ZegCLIP: False.
        double_class_token: See there; ZegCLIP: True.
        init_cfg: As in mmcv.

    Raises:
        InputError: If the tower is not a ViT, or a setting is impossible.
    """

    def __init__(self, arch: str | dict = 'ViT-B/16', num_prompts: int = 10,
                 prompt_depth: str | int = 'deep', prompt_dropout: float = 0.1,
                 prompt_norm: bool = True, prompt_dim: int | None = None,
                 positions: str = 'size', stored_grid: tuple[int, int] | None = None,
                 pad: str = 'corner', renormalise: bool = True,
                 double_class_token: bool = False, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        _require_vit(arch)
        tower = ClipViT(arch, fidelity='clip', positions=positions, stored_grid=stored_grid,
                        pad=pad, renormalise=renormalise, double_class_token=double_class_token)
        self.set_unregistered('tower', tower, needed=True)
        width, blocks = tower.spec.width, len(tower.layers)
        require_number(num_prompts, 'num_prompts', minimum=0, whole=True)
        require_number(prompt_dropout, 'prompt_dropout', minimum=0, below=1)
        if prompt_dim not in (None, width):
            raise InputError(f'prompt_dim is {prompt_dim!r}, expected {width}, the width of CLIP '
                             f'model {tower.spec.name}: leave it out.')
        first, last = _prompted_blocks(prompt_depth, blocks)
        self.num_prompts = num_prompts
        self.carried = prompt_depth == 'shallow'
        #: The block of each set of prompts, counted from 1.
        self.prompted = range(first, last + 1) if num_prompts else range(0)
        self._make_prompts(width, cast(int, tower.spec.patch_size), prompt_dropout)
        self.prompt_norm = nn.LayerNorm(width, eps=PROMPT_NORM_EPS) if prompt_norm else None

    def _make_prompts(self, width: int, patch_size: int, dropout: float) -> None:
        first = int(1 in self.prompted)
        bound = math.sqrt(6 / (3 * patch_size ** 2 + width))
        for name, sets in (('prompt_embeddings', first),
                           ('deep_prompt_embeddings', len(self.prompted) - first)):
            value = torch.empty(sets, self.num_prompts, width).uniform_(-bound, bound)
            self.register_parameter(name, nn.Parameter(value) if sets else None)
        if not self.prompted:
            return
        self.prompt_proj = nn.Linear(width, width)
        nn.init.kaiming_normal_(self.prompt_proj.weight, a=0, mode='fan_out')
        self.prompt_dropout = nn.Dropout(dropout)

    @property
    def tower(self) -> ClipViT:
        """The frozen tower."""
        return self.unregistered('tower')

    @property
    def spec(self) -> ClipSpec:
        """Sizes of the tower."""
        return self.tower.spec

    @property
    def fidelity(self) -> str:
        """The tower's, see :class:`ClipBackbone`."""
        return self.tower.fidelity

    def prompts(self, batch: int) -> dict[int, Tensor]:
        """Projected prompts by the number of their block, in one product.

        Args:
            batch: Images B; what drops out differs from one to the next.

        Returns:
            (B, n, C) each.
        """
        if not self.prompted:
            return {}
        parts = [part for part in (self.prompt_embeddings, self.deep_prompt_embeddings)
                 if part is not None]
        projected = self.prompt_proj(torch.cat(parts))[:, None].expand(-1, batch, -1, -1)
        return dict(zip(self.prompted, self.prompt_dropout(projected)))

    def forward(self, img: Tensor) -> DenseFeatures:
        """Features of patches and image, seen with the prompts.

        Args:
            img: (B, 3, H, W), normalised by the pipeline, any H and W.

        Returns:
            Patch features (B, D, h, w) and image embeddings (B, D), neither normalised.
        """
        tower, prompts = self.tower, self.prompts(len(img))
        tokens, grid = tower.embed(img)
        own = tokens.shape[1]
        for number, block in enumerate(tower.layers, 1):
            if number in prompts:
                tokens = torch.cat([tokens, prompts[number].to(tokens)], dim=1)
            carried = self.carried and number < len(tower.layers)
            # Of the prompts only keys and values are read, unless the next block sees them, too.
            tokens = block(tokens, queries=own if tokens.shape[1] > own and not carried else None)
        if self.prompt_norm is not None:
            tokens = self.prompt_norm(tokens)
        joint = tower.proj(tower.ln1(tokens))
        return DenseFeatures(joint[:, 1:].transpose(1, 2).unflatten(2, grid), image=joint[:, 0])


def _require_vit(arch: Any) -> None:
    kind = arch.get('kind', 'vit') if isinstance(arch, dict) else get_spec(arch).kind
    if kind != 'vit':
        named = 'model.backbone.arch' if isinstance(arch, dict) else f'CLIP model {arch}'
        raise InputError(f'{named} has a {kind} tower, prompts are tokens of a ViT: take one such '
                         'as ViT-B/16.')


def _prompted_blocks(depth: Any, blocks: int) -> Sequence[int]:
    """First and last block that gets prompts, counted from 1."""
    if depth == 'deep':
        return 1, blocks
    if depth == 'shallow':
        return 1, 1
    whole = isinstance(depth, int) and not isinstance(depth, bool)
    if not whole or depth == 0 or abs(depth) > blocks:
        raise InputError(f"prompt_depth is {depth!r}, expected one of {DEPTHS}, or a number of "
                         f'blocks from 1 to {blocks}, negative to count from the last one.')
    return (1, depth) if depth > 0 else (blocks + depth + 1, blocks)
