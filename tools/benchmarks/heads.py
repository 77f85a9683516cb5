"""What the training-free read-outs cost, against a plain forward pass of the same tower."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Callable, NamedTuple, Sequence

import torch
from torch import Tensor

from mmseg_maskclip.engine.cost import count_flops, random_bank, timed_turns
from mmseg_maskclip.models import ClipViT
from mmseg_maskclip.models.backbones.readouts import READOUTS, Guide, Readout, Trace
from mmseg_maskclip.models.segmentors.feedback import SemanticFeedback

SIZES = (224, 448)
GOALS_OF = 'ViT-B/16'
QUERIES = 20
_DTYPES = {'fp32': torch.float32, 'bf16': torch.bfloat16}
_REDUCED = dict(residual=False, ffn=False)
_BIAS = dict(sigma=5.0)
_MIDDLE = dict(blocks=(6, 7, 8, 9), pairs='qk', weight=0.3, gain=2.0)


class Method(NamedTuple):
    """A read-out as published, and what it may cost.

    Attributes:
        readout: Its config.
        goal: Largest shares of the operations of a plain pass at 224 and at 448 pixels.
        feedback: Whether it reads a second time, guided by the labels of the first.
    """

    readout: dict
    goal: tuple[float, float] | None
    feedback: bool = False


def _attention(*goal: float, **settings: object) -> Method:
    return Method(dict(type='AttentionReadout', **settings), goal or None)


def _with_margin(*shares: float) -> tuple[float, ...]:
    """What the formulas need, and 5 % more."""
    return tuple(1.05 * share for share in shares)


_RESCLIP = _attention(*_with_margin(1.03, 1.05), pairs='kk', bias=_BIAS, middle=_MIDDLE, **_REDUCED)
METHODS = {
    'CLIP': _attention(*_with_margin(1.0, 1.0)),
    'MaskCLIP': _attention(*_with_margin(0.98, 0.98), pairs='v'),
    'MaskCLIP, reduced': _attention(*_with_margin(0.93, 0.93), pairs='v', **_REDUCED),
    'SCLIP': _attention(*_with_margin(1.0, 1.01), pairs=('qq', 'kk')),
    'ClearCLIP': _attention(1.0, 1.0, pairs='qq', **_REDUCED),
    'NACLIP': _attention(1.0, 1.0, pairs='kk', bias=_BIAS, **_REDUCED),
    'NACLIP, nonly': _attention(*_with_margin(0.95, 0.95), pairs='bias', bias=_BIAS, **_REDUCED),
    'GEM': Method(dict(type='DualPathReadout'), (1.35, 1.65)),
    'CLIP Surgery': Method(dict(type='DualPathReadout', attention='vv'), _with_margin(1.18, 1.22)),
    'ResCLIP, RCS': _RESCLIP,
    'ResCLIP, RCS + SFR': Method(_RESCLIP.readout, None, feedback=True),
    'SC-CLIP': Method(dict(type='CalibratedReadout'), _with_margin(0.99, 1.02)),
    'ITACLIP, one view': _attention(
        *_with_margin(1.02, 1.05), pairs=('qq', 'kk'), ffn=False,
        middle=dict(blocks=(7, 8, 10), pairs=('qq', 'kk'), weight=0.5)),
}


@READOUTS.register_module()
class KeepEverything(Readout):
    """Reads nothing: its trace serves every other read-out."""

    def inputs(self, depth: int) -> tuple[int, ...]:
        """See :meth:`Readout.inputs`."""
        return tuple(range(1, depth + 1))

    projected = inputs


def plain_pass(tower: ClipViT, image: Tensor) -> Tensor:
    """CLIP's own forward pass: all tokens through all blocks, (B, 1 + N, D)."""
    trace = tower.trace(image)
    tokens = trace.block(trace.depth)(trace.inputs[trace.depth])
    return tower.proj(tower.ln1(tokens))


def _without_numbers(arch: str, **settings: object) -> ClipViT:
    with torch.device('meta'):
        return ClipViT(arch, fidelity='clip', **settings).eval()


def _feedback(tower: ClipViT, image: Tensor, text: Tensor) -> Callable[[Tensor], Guide]:
    """ResCLIP's feedback; the labels are computed also for a tower without numbers."""
    def guide(features: Tensor) -> Guide:
        device = features.device
        if features.is_meta:
            features = torch.randn(features.shape)
        found = SemanticFeedback().guide(features, image, text, tower)
        return found._replace(matrix=found.matrix.to(device))

    return guide


@torch.no_grad()
def readout_flops(arch: str, size: int) -> dict[str, int]:
    """Operations of image to features, by method; of the ``'plain'`` pass, too.

    Args:
        arch: Name of a CLIP ViT.
        size: Height and width of the image.
    """
    empty, image = torch.empty(1, 3, size, size, device='meta'), torch.randn(1, 3, size, size)
    tower = _without_numbers(arch)
    text = random_bank(QUERIES, tower.spec.embed_dim).embeddings
    found = {'plain': count_flops(lambda: plain_pass(tower, empty))}
    for name, method in METHODS.items():
        own = _without_numbers(arch, readout=dict(method.readout))
        feedback = _feedback(own, image, text) if method.feedback else None
        found[name] = count_flops(
            lambda own=own, feedback=feedback: own.dense(empty, feedback=feedback))
    return found


def _reading(tower: ClipViT, trace: Trace, method: Method,
             feedback: Callable[[Tensor], Guide]) -> Callable[[], object]:
    readout = READOUTS.build(dict(method.readout))

    def call() -> None:
        tower.readout = readout
        # Of what earlier read-outs computed nothing is known.
        own = replace(trace, known={})
        features = tower.read(own)
        if method.feedback:
            tower.read(own, feedback(features))

    return call


@torch.no_grad()
def readout_rows(arch: str, device: torch.device, dtype: str, repeats: int,
                 sizes: Sequence[int] | None = None) -> list[dict]:
    """Operations and time of every read-out as shares of those of a plain pass.

    A turn runs the plain pass, the blocks that all methods share, and every
    read-out of these; a method's time is the sum of the last two.

    Args:
        arch: Name of a CLIP ViT.
        device: Where it runs.
        dtype: ``'fp32'`` or ``'bf16'``.
        repeats: Timed turns, of which the median ratio counts.
        sizes: Sides of the images, :data:`SIZES` if left out.

    Returns:
        A row for each method and size.
    """
    torch.manual_seed(0)
    tower = ClipViT(arch, fidelity='clip', readout=dict(type='KeepEverything'))
    tower = tower.to(device, _DTYPES[dtype]).eval()
    text = random_bank(QUERIES, tower.spec.embed_dim).embeddings.to(device)
    rows = []
    for column, size in enumerate(sizes or SIZES):
        flops = readout_flops(arch, size)
        image = torch.randn(1, 3, size, size, device=device)
        trace, feedback = tower.trace(image), _feedback(tower, image, text)
        seconds = timed_turns({
            'plain': lambda image=image: plain_pass(tower, image),
            'shared': lambda image=image: tower.trace(image),
            **{name: _reading(tower, trace, method, feedback)
               for name, method in METHODS.items()}}, repeats, device)
        for name, method in METHODS.items():
            taken = [one + other for one, other in zip(seconds['shared'], seconds[name])]
            ratio = flops[name] / flops['plain']
            goal = method.goal[column] if method.goal and arch == GOALS_OF else None
            rows.append({
                'what': f'{name}, {arch}, {size} x {size}, {dtype}',
                'ours_gflop': flops[name] / 1e9, 'reference_gflop': flops['plain'] / 1e9,
                'ratio': ratio, 'goal': goal, 'met': goal is None or ratio <= goal,
                'ours_s': statistics.median(taken),
                'reference_s': statistics.median(seconds['plain']),
                'time_ratio': statistics.median(
                    one / other for one, other in zip(taken, seconds['plain']))})
    return rows


def table(rows: Sequence[dict]) -> str:
    """Rows of :func:`readout_rows` as a text table, with a mark where a goal is missed."""
    from prettytable import PrettyTable

    shown = PrettyTable(['read-out', 'GFLOP', 'plain pass', 'ratio', 'goal', 'time', 'time ratio'])
    shown.align = 'l'
    for row in rows:
        goal = 'none' if row['goal'] is None else f"<= {row['goal']:.3f}"
        shown.add_row([row['what'], f"{row['ours_gflop']:.1f}", f"{row['reference_gflop']:.1f}",
                       f"{row['ratio']:.3f}", goal if row['met'] else f'{goal} MISSED',
                       f"{row['ours_s']:.3f} s", f"{row['time_ratio']:.2f}"])
    return shown.get_string()
