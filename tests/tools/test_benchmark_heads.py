import json
import logging
import sys

import benchmark
import pytest
import torch

from mmseg_maskclip.models import ClipViT
from mmseg_maskclip.models.backbones.readouts import AttentionReadout
from mmseg_maskclip.ops import pamr
from mmseg_maskclip.utils import InputError

from benchmarks import heads
from benchmarks import pamr as benchmark_pamr

CHEAP = ('CLIP', 'MaskCLIP', 'SCLIP', 'ClearCLIP')
CPU = torch.device('cpu')
DEEP = dict(width=48, layers=12, heads=4, patch_size=8, image_size=64, embed_dim=32)


def test_operations_are_those_of_the_formulas_and_meet_the_goals(monkeypatch):
    """Of the full-size tower, of which nothing is computed; the cheap methods are left out."""
    monkeypatch.setattr(heads, 'METHODS', {name: method for name, method in heads.METHODS.items()
                                           if name.split(',')[0] not in CHEAP})
    found = heads.readout_flops('ViT-B/16', 224)
    assert found.pop('plain') == pytest.approx(35.28e9, rel=1e-3)
    for name, flops in found.items():
        # Nobody skips the eleven blocks that all share.
        assert 0.9 < flops / 35.28e9 <= (heads.METHODS[name].goal or [1])[0], name
    assert found['ResCLIP, RCS'] < found['ResCLIP, RCS + SFR']
    tower, image = (heads._without_numbers('ViT-B/16'),
                    torch.empty(1, 3, 448, 448, device='meta'))
    with torch.no_grad():
        plain = heads.count_flops(lambda: heads.plain_pass(tower, image))
    assert plain == pytest.approx(157.61e9, rel=1e-3)


@torch.no_grad()
def test_the_plain_pass_is_that_of_clip():
    tower = ClipViT(DEEP, fidelity='clip', readout=dict(type='AttentionReadout'))
    image = torch.randn(2, 3, 64, 96)
    plain = heads.plain_pass(tower, image)
    torch.testing.assert_close(plain[:, 0], tower.encode_image(image), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(plain[:, 1:].transpose(1, 2).unflatten(2, (8, 12)),
                               tower.dense(image).features, rtol=1e-4, atol=1e-5)


def test_rows_compare_turn_by_turn(monkeypatch):
    """Shared blocks and read-out against the plain pass of the same turn; SFR reads twice."""
    monkeypatch.setattr(heads, 'SIZES', (64,))
    monkeypatch.setattr(heads, 'GOALS_OF', DEEP)
    monkeypatch.setattr(heads, 'readout_flops', lambda arch, size: {
        'plain': 4e9, **{name: 6e9 if name == 'GEM' else 3e9 for name in heads.METHODS}})
    guides, forward = [], AttentionReadout.forward
    monkeypatch.setattr(AttentionReadout, 'forward', lambda self, trace, guide=None:
                        guides.append((guide, len(trace.known))) or forward(self, trace, guide))
    read = {}

    def turns(candidates, repeats, device):
        # No read-out before the turns, which are what is timed.
        guides.clear()
        for name, call in candidates.items():
            before = len(guides)
            call()
            read[name] = [guide is not None for guide, _ in guides[before:]]
            # The first of a turn finds nothing that others computed.
            assert not any(known for guide, known in guides[before:] if guide is None)
        return {**{name: [1.0, 5.0, 1.0] for name in candidates}, 'plain': [2.0, 4.0, 4.0],
                'shared': [1.0, 1.0, 1.0]}

    monkeypatch.setattr(heads, 'timed_turns', turns)
    rows = heads.readout_rows(DEEP, CPU, 'fp32', 3)
    assert list(read) == ['plain', 'shared', *heads.METHODS] and len(rows) == len(heads.METHODS)
    assert read['ResCLIP, RCS + SFR'] == [False, True] and read['SCLIP'] == [False]
    assert not read['plain'] + read['shared'] + read['SC-CLIP']
    for row in rows:
        assert (row['ours_s'], row['reference_s'], row['time_ratio']) == (2.0, 4.0, 1.0)
        assert row['ours_gflop'] in (3, 6) and row['ratio'] == row['ours_gflop'] / 4
    assert [row['what'].split(',')[0] for row in rows if not row['met']] == ['GEM']
    marked = [line for line in heads.table(rows).splitlines() if 'MISSED' in line]
    assert len(marked) == 1 and 'GEM' in marked[0] and '<= 1.350' in marked[0]


def test_live_storages_are_followed_to_their_end():
    given = torch.zeros(1000)
    with benchmark_pamr.LiveStorages([given]) as storages:
        one = given + 1
        # Neither views nor results that are written into what is there take memory.
        torch.mul(one.add_(1), 2, out=given[:])
        assert storages.bytes == 4000
        two = one * 2
        del one
        two = two[:10]
        assert (storages.bytes, storages.peak) == (4000, 8000)
        del two
        assert (storages.bytes, storages.peak) == (0, 8000)


def test_pamr_needs_little_beside_the_scores():
    """At full size; more iterations and queries need no more, since chunks follow each other."""
    scores, picture = torch.rand(16, 512, 683), torch.randn(3, 512, 683)
    peaks = [benchmark_pamr.extra_mb(call, (scores, picture), CPU) for call in (
        lambda: pamr(scores, picture, 1, (8, 16)), lambda: pamr(scores[:4], picture, 2, (8, 16)))]
    assert 20 < peaks[0] <= benchmark_pamr.GOAL_MB and peaks[0] == peaks[1]


def test_pamr_has_a_row_of_time_and_one_of_memory(monkeypatch):
    monkeypatch.setattr(benchmark_pamr, 'SIZE', (40, 64))
    monkeypatch.setattr(benchmark_pamr, 'SIZES', (32, 64))
    monkeypatch.setattr(benchmark_pamr, 'GOAL_MB', 0)
    time, memory = benchmark_pamr.refinement_rows(DEEP, CPU, 1)
    assert time['ours_s'] > 0 and time['ratio'] == time['ours_s'] / time['reference_s']
    assert memory['plain_mb'] == 150 * 16 * 40 * 64 * 4 / 2 ** 20 > memory['extra_mb'] > 0
    assert not memory['met'] and 'MISSED' in memory['what']


def test_the_part_prints_both_tables_of_vits(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(logging.getLogger(), 'level', logging.getLogger().level)
    row = dict(what='SCLIP', ours_gflop=3.0, reference_gflop=2.0, ratio=1.5, goal=None, met=True,
               ours_s=1.0, reference_s=1.0, time_ratio=1.0)
    asked = []
    monkeypatch.setattr(heads, 'readout_rows', lambda *args: asked.append(args) or [row])
    monkeypatch.setattr(benchmark_pamr, 'refinement_rows', lambda *args: asked.append(args) or [
        dict(what='PAMR', extra_mb=3.0, plain_mb=30.0, reference='a map each')])
    out = tmp_path / 'rows.json'
    monkeypatch.setattr(sys, 'argv', ['benchmark.py', 'heads', '--repeats', '4', '--device', 'cpu',
                                      '--out', str(out)])
    benchmark.main(benchmark.parse_args())
    assert asked == [('ViT-B/16', CPU, 'fp32', 4), ('ViT-B/16', CPU, 2)]
    shown = capsys.readouterr().out
    assert '1.500' in shown and 'a map each' in shown and 'all scores at once' not in shown
    assert {line['what'] for line in json.loads(out.read_text())['rows']} == {'SCLIP', 'PAMR'}
    monkeypatch.setattr(sys, 'argv', ['benchmark.py', 'heads', '--models', 'RN50'])
    with pytest.raises(InputError, match='add ViT-B/16'):
        benchmark.main(benchmark.parse_args())
