"""ZegCLIP's training step written plainly, with all that its published code computes.

The yardstick of ``tools/benchmark.py zegclip``: formulas as they stand in the paper, parameters
under the names of the published checkpoints, and everything that is computed or held there
without an effect on what is learned.
"""

from __future__ import annotations

import copy
import math
from typing import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmseg.models.losses import accuracy
from torch import Tensor, nn

from mmseg_maskclip.clip import ClipSpec
from mmseg_maskclip.models.backbones.base import QuickGELU

IGNORED = 255


class PlainBlock(nn.Module):
    """Block of CLIP, tokens first: (N, B, C) in and out."""

    def __init__(self, width: int, heads: int, activation: str) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(width, heads)
        self.ln_1 = nn.LayerNorm(width)
        self.mlp = nn.Sequential()
        self.mlp.add_module('c_fc', nn.Linear(width, 4 * width))
        self.mlp.add_module('gelu', nn.GELU() if activation == 'gelu' else QuickGELU())
        self.mlp.add_module('c_proj', nn.Linear(4 * width, width))
        self.ln_2 = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) in and out."""
        normed = self.ln_1(x)
        x = x + self.attn(normed, normed, normed, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class PlainBackbone(nn.Module):
    """CLIP's ViT with deep prompts, all of it registered; only prompts learn.

    Args:
        spec: Sizes of the tower.
        grid: Side of the stored position table.
        prompts: Prompts n of every block.
        dropout: Of the projected prompts.
        class_tokens: How often the class embedding is added.
    """

    def __init__(self, spec: ClipSpec, grid: int, prompts: int, dropout: float,
                 class_tokens: int) -> None:
        super().__init__()
        width, patch = spec.width, spec.patch_size
        scale, bound = width ** -0.5, math.sqrt(6 / (3 * patch ** 2 + width))
        self.class_tokens = class_tokens
        self.conv1 = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.class_embedding = nn.Parameter(scale * torch.randn(width))
        self.positional_embedding = nn.Parameter(scale * torch.randn(grid ** 2 + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.transformer = nn.Module()
        self.transformer.resblocks = nn.ModuleList(
            PlainBlock(width, spec.heads, spec.activation) for _ in range(spec.layers))
        self.ln_post = nn.LayerNorm(width)
        self.proj = nn.Parameter(scale * torch.randn(width, spec.embed_dim))
        for name, sets in (('prompt_embeddings', 1), ('deep_prompt_embeddings', spec.layers - 1)):
            value = torch.empty(sets, prompts, width).uniform_(-bound, bound)
            setattr(self, name, nn.Parameter(value))
        self.prompt_proj = nn.Linear(width, width)
        self.prompt_norm = nn.LayerNorm(width, eps=1e-6)
        self.prompt_dropout = nn.Dropout(dropout)
        for name, parameter in self.named_parameters():
            parameter.requires_grad = 'prompt' in name

    def _embed(self, img: Tensor) -> tuple[Tensor, tuple[int, int]]:
        x = self.conv1(img)
        height, width = x.shape[2:]
        x = x.flatten(2).permute(0, 2, 1)
        first = self.class_embedding + torch.zeros_like(x[:, :1])
        x = torch.cat([first, x], dim=1)
        # Resized in every step, also where the table has this grid already.
        side = math.isqrt(len(self.positional_embedding) - 1)
        table = self.positional_embedding[1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        table = F.interpolate(table, size=(height, width), mode='bilinear')
        front = self.positional_embedding[0] + (self.class_tokens - 1) * self.class_embedding
        x = x + torch.cat([front[None], table[0].flatten(1).t()])
        return self.ln_pre(x), (height, width)

    def _prompts(self, value: Tensor, batch: int) -> Tensor:
        return self.prompt_dropout(self.prompt_proj(value).expand(batch, -1, -1))

    def forward(self, img: Tensor) -> tuple[Tensor, Tensor]:
        """Patch features (B, D, h, w) and image embeddings (B, D), unit-norm.

        All blocks compute all tokens, also the prompts that the next block overwrites.
        """
        x, grid = self._embed(img)
        batch, count = len(img), self.prompt_embeddings.shape[1]
        x = torch.cat([x[:, :1], self._prompts(self.prompt_embeddings, batch), x[:, 1:]], dim=1)
        blocks = self.transformer.resblocks
        for number, block in enumerate(blocks):
            if number:
                own = self._prompts(self.deep_prompt_embeddings[number - 1], batch)
                x = torch.cat([x[:, :1], own, x[:, 1 + count:]], dim=1)
            x = block(x.permute(1, 0, 2)).permute(1, 0, 2)
            if number == len(blocks) - 2:
                # Thrown away there as it is here.
                self.prompt_norm(x)
        x = self.ln_post(self.prompt_norm(x)) @ self.proj
        patches = x[:, 1 + count:].permute(0, 2, 1).reshape(batch, -1, *grid)
        image = x[:, 0]
        return (patches / patches.norm(dim=1, keepdim=True),
                image / image.norm(dim=1, keepdim=True))


class PlainAttention(nn.Module):
    """Attention that also returns its scores, averaged over the heads."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.attn_drop = nn.Dropout(dropout)
        self.proj = nn.Linear(width, width)

    def forward(self, queries: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """What queries (B, R, C) find in memory (B, N, C), and the mask logits (B, R, N)."""
        batch, number, width = queries.shape

        def split(x: Tensor) -> Tensor:
            return x.reshape(batch, -1, self.heads, width // self.heads).permute(0, 2, 1, 3)

        q, k, v = split(self.q(queries)), split(self.k(memory)), split(self.v(memory))
        scores = (q @ k.transpose(-2, -1)) * (width // self.heads) ** -0.5
        weights = self.attn_drop(scores.softmax(dim=-1))
        found = (weights @ v).transpose(1, 2).reshape(batch, number, width)
        return self.proj(found), scores.sum(dim=1) / self.heads


class PlainLayer(nn.TransformerDecoderLayer):
    """torch's decoder layer with another cross-attention; self-attention is there, and not run."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__(width, heads, 4 * width, dropout)
        self.multihead_attn = PlainAttention(width, heads, dropout)

    def forward(self, queries: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Queries (B, R, C) behind the layer, and its mask logits (B, R, N)."""
        found, mask = self.multihead_attn(queries, memory)
        queries = self.norm2(queries + self.dropout2(found))
        hidden = self.linear2(self.dropout(self.activation(self.linear1(queries))))
        return self.norm3(queries + self.dropout3(hidden)), mask


class PlainHead(nn.Module):
    """Descriptor and decoder; every layer is run to its end, and every layer's mask kept."""

    def __init__(self, text_channels: int, width: int, layers: int, heads: int,
                 dropout: float) -> None:
        super().__init__()
        self.q_proj = nn.Linear(2 * text_channels, width)
        first = PlainLayer(width, heads, dropout)
        self.decoder_1 = nn.Module()
        self.decoder_1.layers = nn.ModuleList(copy.deepcopy(first) for _ in range(layers))

    def forward(self, patches: Tensor, image: Tensor, text: Tensor,
                size: Sequence[int]) -> Tensor:
        """Mask logits (B, C, H, W) of text embeddings (C, D)."""
        pairs = image[:, None] * text[None]
        alone = text[None].expand(len(image), -1, -1).to(pairs)
        queries = self.q_proj(torch.cat([pairs, alone], dim=-1))
        memory = patches.flatten(2).transpose(1, 2)
        masks = []
        for layer in self.decoder_1.layers:
            queries, mask = layer(queries, memory)
            masks.append(mask.reshape(*mask.shape[:2], *patches.shape[2:]))
        # All layers', of which the last is used.
        stacked = torch.stack(masks)
        return F.interpolate(stacked[-1], size=tuple(size), mode='bilinear', align_corners=False)


def plain_losses(logits: Tensor, labels: Tensor, mask_weight: float,
                 dice_weight: float) -> dict[str, Tensor]:
    """Focal and dice loss over one-hot targets at full size.

    Args:
        logits: (B, C, H, W).
        labels: (B, H, W), 255 is a negative of every class.
        mask_weight: Factor of the focal loss.
        dice_weight: Factor of the dice loss.
    """
    targets = torch.zeros_like(logits)
    present = []
    for index, ids in enumerate(labels):
        for own in ids.unique().tolist():
            if own != IGNORED:
                targets[index, own] = (ids == own).to(targets)
                present.append((index, own))
    pairs = max(len(present), 1)
    logits_flat, targets_flat = logits.flatten(2), targets.flatten(2)

    probability = logits_flat.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(logits_flat, targets_flat, reduction='none')
    right = probability * targets_flat + (1 - probability) * (1 - targets_flat)
    focal = entropy * (1 - right) ** 2
    focal = (0.25 * targets_flat + 0.75 * (1 - targets_flat)) * focal

    images = torch.tensor([index for index, _ in present], device=logits.device, dtype=torch.long)
    classes = torch.tensor([own for _, own in present], device=logits.device, dtype=torch.long)
    shown, truth = logits_flat[images, classes].sigmoid(), targets_flat[images, classes]
    dice = 1 - (2 * (shown * truth).sum(1) + 1) / (shown.sum(1) + truth.sum(1) + 1)
    return {'loss_mask': mask_weight * focal.mean(2).sum() / pairs,
            'loss_dice': dice_weight * dice.sum() / pairs}


class PlainZegClip(nn.Module):
    """The inductive training step.

    Args:
        backbone: The image tower.
        decode_head: Decoder.
        text_file: ``.npy`` of all text embeddings (K, D), read in every step.
        seen: Ids of the classes that are trained.
        weights: Of focal and dice loss.
    """

    def __init__(self, backbone: PlainBackbone, decode_head: PlainHead, text_file: str,
                 seen: Sequence[int], weights: tuple[float, float]) -> None:
        super().__init__()
        self.backbone, self.decode_head = backbone, decode_head
        self.text_file, self.weights = text_file, weights
        self.seen = np.asarray(seen)
        self.places = torch.full((256,), -1)
        self.places[list(seen)] = torch.arange(len(seen))
        self.places[IGNORED] = IGNORED

    def forward_train(self, img: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Losses and accuracy.

        Args:
            img: (B, 3, H, W).
            labels: Class ids, (B, 1, H, W), those of unseen classes among them; 255 is ignored.
        """
        patches, image = self.backbone(img)
        text = torch.from_numpy(np.load(self.text_file)).to(img.device)[self.seen]
        labels = self.places.to(labels.device)[labels.squeeze(1)]
        labels[labels == -1] = IGNORED
        logits = self.decode_head(patches, image, text, labels.shape[1:])
        losses = plain_losses(logits, labels, *self.weights)
        losses['acc_seg'] = accuracy(logits, labels, ignore_index=IGNORED)
        return losses
