"""Read-outs of the last block that differ in its attention and in what follows it."""

from __future__ import annotations

from typing import Any, Callable, Sequence, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.models.backbones.readouts.base import (
    PUBLISHED_DEPTH,
    READOUTS,
    Readout,
    block_numbers,
)
from mmseg_maskclip.models.backbones.readouts.trace import Guide, Trace
from mmseg_maskclip.ops import gaussian_bias, is_symbolic
from mmseg_maskclip.utils import InputError, require_number

PAIRS = ('qk', 'qq', 'kk', 'vv', 'v', 'bias')
COMBINATIONS = ('sum', 'mean')
# Of a grid of 64 x 128 patches the bias has 268 MB.
_KEPT_GRIDS = 4


@READOUTS.register_module()
class AttentionReadout(Readout):
    """The last block with another attention, and with or without residual and feed-forward part.

    Y = X + O(Z), then Y + FFN(LN2(Y)); Z mixes the values v of the last block by attention.
    By default this is CLIP's own last block. Only rows of patches are computed; the class token
    is one of the keys.

    ========= =============== ================== ======== =====
    method    pairs           beside             residual ffn
    ========= =============== ================== ======== =====
    CLIP      ``qk``                             yes      yes
    MaskCLIP  ``v``                              yes      yes
    SCLIP     ``qq``, ``kk``                     yes      yes
    ClearCLIP ``qq``                             no       no
    NACLIP    ``kk``          bias               no       no
    ResCLIP   ``kk``          bias, middle       no       no
    ITACLIP   ``qq``, ``kk``  middle             yes      no
    ========= =============== ================== ======== =====

    Args:
        pairs: What is compared, one or several of: ``'qk'``, ``'qq'``, ``'kk'``, ``'vv'``, the
            rows and columns of the attention logits; ``'v'``, no attention at all: each patch
            keeps its value; ``'bias'``, the bias alone, scaled to the size of q k products.
        combine: What several pairs give together, the ``'sum'`` or the ``'mean'``. The sum
            makes the rows of the attention add up to their number, as in SCLIP.
        bias: ``dict(sigma=5.0)`` adds a Gaussian of the distance of two patches, in patches,
            to the attention logits (NACLIP, Sec. 3.2); None adds nothing.
        middle: Attention of middle blocks, mixed into that of the last one:
            ``dict(blocks, pairs, weight, gain=1.0, counted_in=12)``, Z = gain ((1 - weight) Z +
            weight mean(Z of the blocks)), on the values of the last block (ResCLIP, Sec. 3.2;
            ITACLIP, Sec. 3.1). ``blocks`` are numbers in a tower of ``counted_in`` blocks.
        residual: Keep the residual connection around the attention.
        ffn: Keep the feed-forward part, with its residual connection.
        last: Sum O(Z) over this many last blocks, each read at its own input (ClearCLIP's
            ``last_n_layers``).

    Raises:
        InputError: On unknown pairs or settings, or settings that don't fit each other.
    """

    def __init__(self, pairs: str | Sequence[str] = 'qk', combine: str = 'sum',
                 bias: dict | None = None, middle: dict | None = None, residual: bool = True,
                 ffn: bool = True, last: int = 1) -> None:
        super().__init__()
        self.pairs = _pairs(pairs, 'pairs')
        self.combine = combine
        if combine not in COMBINATIONS:
            raise InputError(f'combine is {combine!r}, expected one of {COMBINATIONS}.')
        self.sigma = _sigma(bias)
        if 'bias' in self.pairs and self.sigma is None:
            raise InputError("pairs='bias' needs a bias: set bias=dict(sigma=5.0).")
        self.middle = None if middle is None else _Middle.of(middle)
        self.residual = residual
        self.ffn = ffn
        self.last = require_number(last, 'last', minimum=1, whole=True)
        self._biases: dict = {}

    def inputs(self, depth: int) -> tuple[int, ...]:
        """See :meth:`Readout.inputs`."""
        if self.last > depth:
            raise InputError(f'last is {self.last}, expected at most {depth}, the depth of the '
                             'tower.')
        found = set(range(depth - self.last + 1, depth + 1))
        if self.middle is not None:
            found |= set(self.middle.blocks(depth))
        return tuple(sorted(found))

    def projected(self, depth: int) -> tuple[int, ...]:
        """See :meth:`Readout.projected`."""
        return self.inputs(depth)

    def forward(self, trace: Trace, guide: Guide | None = None) -> Tensor:
        """See :meth:`Readout.forward`; a guide changes the logits of the last block."""
        last = trace.depth
        patches = self._attend(trace, last, guide)
        for number in range(last - self.last + 1, last):
            patches = patches + self._attend(trace, number, guide)
        if self.residual:
            patches = trace.patches(last) + patches
        if self.ffn:
            block = trace.block(last)
            patches = patches + block.ffn(block.ln2(patches))
        return patches

    def _attend(self, trace: Trace, number: int, guide: Guide | None) -> Tensor:
        """O(Z) of a block, (B, N, C)."""
        block = trace.block(number)
        if self.pairs == ('v',) and self.middle is None:
            # Without attention nothing of the class token reaches a patch.
            return block.attn.value(block.ln1(trace.patches(number)))
        values = trace.project(number, 'v')
        mixed = self._mix(trace, number, values, self.pairs, self.sigma, guide)
        if self.middle is not None:
            # No guide changes it: a second read-out takes it from the first.
            extra = trace.once((self, number), lambda: self._mix_middle(trace, values))
            mixed = self.middle.gain * torch.lerp(mixed, extra, self.middle.weight)
        return block.attn.merge(mixed)

    def _mix_middle(self, trace: Trace, values: Tensor) -> Tensor:
        """Values mixed by the mean attention of the middle blocks, (B, heads, N, d)."""
        middle = cast(_Middle, self.middle)
        # Mixing is linear in the attention: no block's matrix has to be kept for it.
        return torch.stack([self._mix(trace, number, values, middle.pairs, None, None)
                            for number in middle.blocks(trace.depth)]).mean(dim=0)

    def _mix(self, trace: Trace, number: int, values: Tensor, pairs: Sequence[str],
             sigma: float | None, guide: Guide | None) -> Tensor:
        """Values mixed by the attention of a block, (B, heads, N, d)."""
        lead = trace.leading
        used = ''.join(pairs).replace('bias', 'qk')
        parts = {'v': values, **{part: trace.project(number, part) for part in 'qk'
                                 if part in used}}
        bias = None if sigma is None else self._bias(trace, sigma, values)
        scale = values.shape[-1] ** -0.5
        if guide is not None:
            scale *= guide.scale * (1 - guide.weight)
            matrix = F.pad((guide.scale * guide.weight * guide.matrix)[:, None], (lead, 0))
            bias = matrix.to(values) if bias is None else bias + matrix.to(values)
        mixed = []
        for pair in pairs:
            if pair == 'v':
                mixed.append(values[:, :, lead:])
            elif pair == 'bias':
                mixed.append(_by_bias_alone(parts, bias))
            else:
                mixed.append(F.scaled_dot_product_attention(
                    parts[pair[0]][:, :, lead:], parts[pair[1]], values, attn_mask=bias,
                    scale=scale))
        total = mixed[0] if len(mixed) == 1 else sum(mixed[1:], mixed[0])
        return total / len(mixed) if self.combine == 'mean' else total

    def _bias(self, trace: Trace, sigma: float, like: Tensor) -> Tensor:
        """The Gaussian of patches to all tokens, (1, 1, N, leading + N), made once per grid."""
        if is_symbolic(*trace.grid):
            return _bias_of(trace, sigma, like)
        key = (trace.grid, trace.leading, like.dtype, like.device)
        if key not in self._biases:
            if len(self._biases) >= _KEPT_GRIDS:
                self._biases.clear()
            self._biases[key] = _bias_of(trace, sigma, like)
        return self._biases[key]

    def _apply(self, fn: Callable, *args: Any, **kwargs: Any) -> AttentionReadout:
        # Those of another device are of no use.
        self._biases.clear()
        return super()._apply(fn, *args, **kwargs)


class _Middle:
    """Settings of the attention of middle blocks."""

    def __init__(self, blocks: Sequence[int], pairs: str | Sequence[str] = 'qk',
                 weight: float = 0.5, gain: float = 1.0,
                 counted_in: int | None = PUBLISHED_DEPTH) -> None:
        self._blocks = blocks
        self.pairs = _pairs(pairs, 'middle.pairs')
        if 'bias' in self.pairs:
            raise InputError("middle.pairs holds 'bias', which the last block alone has.")
        self.weight = require_number(weight, 'middle.weight', minimum=0, maximum=1)
        self.gain = require_number(gain, 'middle.gain', above=0)
        self._counted_in = counted_in

    @classmethod
    def of(cls, settings: dict) -> _Middle:
        """From a config; raises InputError on unknown settings."""
        try:
            return cls(**settings)
        except TypeError as error:
            raise InputError(f'middle is {dict(settings)!r}, expected dict(blocks, pairs, weight, '
                             'gain, counted_in).') from error

    def blocks(self, depth: int) -> tuple[int, ...]:
        """Numbers of the blocks in a tower of a depth."""
        return block_numbers(self._blocks, depth, self._counted_in, 'middle.blocks')


def _bias_of(trace: Trace, sigma: float, like: Tensor) -> Tensor:
    return F.pad(gaussian_bias(trace.grid, sigma), (trace.leading, 0)).to(like)[None, None]


def _by_bias_alone(parts: dict[str, Tensor], bias: Tensor | None) -> Tensor:
    """NACLIP's ``nonly``: logits are the bias times the mean size of q k products, per image."""
    query, key, values = (parts[part].float() for part in 'qkv')
    sizes = query.norm(dim=-1).mean(dim=-1) * key.norm(dim=-1).mean(dim=-1)
    size = sizes.mean(dim=1) * values.shape[-1] ** -0.5
    logits = size[:, None, None, None] * bias.float()  # type: ignore[union-attr]
    return (logits.softmax(dim=-1) @ values).to(parts['v'])


def _pairs(pairs: Any, name: str) -> tuple[str, ...]:
    found = (pairs,) if isinstance(pairs, str) else tuple(pairs or ())
    if not found or not all(pair in PAIRS for pair in found):
        raise InputError(f'{name} is {pairs!r}, expected one or several of {PAIRS}.')
    return found


def _sigma(bias: Any) -> float | None:
    if bias is None:
        return None
    if not isinstance(bias, dict) or set(bias) != {'sigma'}:
        raise InputError(f'bias is {bias!r}, expected dict(sigma=5.0), in patches, or None.')
    return float(require_number(bias['sigma'], 'bias.sigma', above=0))
