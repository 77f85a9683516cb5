import json
import logging
import sys
from pathlib import Path

import benchmark
import numpy as np
import pytest
import torch
from open_clip.transformer import VisionTransformer

from mmseg_maskclip.clip import get_spec, make_spec, read_clip_checkpoint
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.models.weights.official_zegclip import adapt_zegclip

from benchmarks import zegclip
from benchmarks.pamr import extra_mb
from benchmarks.zegclip_plain import PlainBackbone, PlainHead, PlainZegClip
from helpers.recordings import read
from helpers.tools import ROOT

CPU = torch.device('cpu')
TINY = ROOT / 'configs/tiny/zegclip_tinyvit8_128x128_800_tinyworld.py'


@pytest.fixture
def config():
    """A tiny ZegCLIP with all that the published one has, and no dropout."""
    found = load_config(TINY)
    found.model.backbone.update(double_class_token=True, renormalise=False, prompt_dropout=0.0)
    found.model.decode_head.dropout_ratio = 0.0
    return found


@pytest.fixture
def steps(config, tmp_path):
    torch.manual_seed(0)
    return zegclip.Steps(config, 2, (64, 96), CPU, tmp_path)


def _gradients(model):
    return {name: torch.zeros_like(value) if value.grad is None else value.grad
            for name, value in model.named_parameters()}


def test_the_plain_step_learns_the_same(steps):
    """Losses, every gradient and the step of AdamW; what has no gradient there is not here."""
    ours, plain = steps.ours(), steps.plainly()
    assert plain['loss_mask'] > 0.1 and plain['loss_dice'] > 0.1
    for name, value in plain.items():
        torch.testing.assert_close(ours[f'decode.{name}'], value.reshape(()).to(torch.float32),
                                   rtol=1e-5, atol=1e-6)
    expected = adapt_zegclip(_gradients(steps.plain), 'gradients')
    found = _gradients(steps.model)
    assert len(found) == 44 and all(value.any() for value in found.values())
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-5, msg=name)
    learned = [value for value in steps.plain.parameters() if value.grad is not None]
    assert len(learned) == 44 and sum(map(torch.numel, learned)) == sum(
        value.numel() for value in steps.model.parameters())
    # Those without a gradient are parameters there, as in the published checkpoints.
    assert sum(value.requires_grad for value in steps.plain.parameters()) == 44 + 30
    again, plain_again = steps.ours(), steps.plainly()
    assert again['decode.loss_mask'] != ours['decode.loss_mask']
    torch.testing.assert_close(again['decode.loss_mask'], plain_again['loss_mask'], rtol=1e-3,
                               atol=0)


def test_the_plain_step_is_that_of_the_official_code(tmp_path):
    """It takes every weight of a recorded step under its name, and finds the same losses."""
    stored = read('zegclip_inductive')
    np.save(tmp_path / 'text.npy', stored['text'])
    plain = PlainZegClip(
        PlainBackbone(make_spec(width=48, layers=3, heads=4, patch_size=8, embed_dim=32), 8, 3,
                      0.0, 2),
        PlainHead(32, 32, 3, 4, 0.0), str(tmp_path / 'text.npy'), range(4), (100.0, 1.0))
    plain.load_state_dict({key[3:]: torch.from_numpy(value) for key, value in stored.items()
                           if key.startswith('sd/') and not key.endswith('empty_weight')})
    losses = plain.forward_train(torch.from_numpy(stored['img']),
                                 torch.from_numpy(stored['gt']).long())
    for name in ('loss_mask', 'loss_dice'):
        assert losses[name].item() == pytest.approx(float(stored[name]), rel=1e-5)
    (losses['loss_mask'] + losses['loss_dice']).backward()
    found = dict(plain.named_parameters())
    for name, norm in zip(stored['grad_names'], stored['grad_norms']):
        assert found[name].grad.norm().item() == pytest.approx(norm, rel=1e-4, abs=1e-6), name


def test_the_plain_step_reads_its_texts_every_time_and_is_watched_for_anomalies(steps):
    seen = []
    forward = steps.plain.forward_train
    steps.plain.forward_train = lambda *args: seen.append(
        torch.is_anomaly_enabled()) or forward(*args)
    steps.watched()
    Path(steps.plain.text_file).unlink()
    with pytest.raises(FileNotFoundError):
        steps.plainly()
    steps.ours()
    assert seen == [True, False]


@torch.no_grad()
def test_open_clip_runs_as_many_tokens(monkeypatch):
    visual = VisionTransformer(image_size=32, patch_size=8, width=48, layers=2, heads=4,
                               mlp_ratio=4.0, output_dim=16).eval()
    monkeypatch.setattr(zegclip, 'reference_encoder', lambda *args: visual)
    lengths, image = [], torch.randn(2, 3, 32, 32)
    visual.transformer.resblocks[-1].register_forward_hook(
        lambda _, args, out: lengths.append(tuple(out.shape)))
    plain = visual(image)
    longer = zegclip.encoder_with_tokens(None, make_spec(width=48, layers=2, heads=4),
                                         (32, 32), 5)
    assert not torch.equal(plain, longer(image))
    assert lengths == [(2, 17, 48), (2, 22, 48)]


def test_rows_have_goals_and_say_when_they_are_missed(config, monkeypatch):
    spec = get_spec('TinyViT8')
    monkeypatch.setattr(zegclip, 'random_checkpoint',
                        lambda _: read_clip_checkpoint(spec.weights))
    monkeypatch.setattr(zegclip, 'encoder_with_tokens',
                        lambda checkpoint, spec, size, extra: torch.nn.Identity())
    timed = []

    def times(candidates, repeats, device):
        timed.append((list(candidates), repeats))
        values = [call() for call in candidates.values()]
        if len(values) == 2:
            assert values[0][0].shape == (128, 128) and values[1].shape == (1, 3, 128, 128)
        return dict(zip(candidates, (3.0, 2.0, 6.0)))

    monkeypatch.setattr(zegclip, 'median_times', times)
    monkeypatch.setattr(zegclip, 'CONFIGS', ('x',))
    monkeypatch.setattr(zegclip, 'SIZE', (128, 128))
    monkeypatch.setattr(zegclip, 'load_config', lambda path: config)
    labels, step, watched, memory = zegclip.rows(1, (64, 96), CPU, ['fp32'], 7)
    assert timed == [(['ours', 'open_clip'], 7), (['ours', 'plain', 'watched'], 7)]
    assert [row['ratio'] for row in (labels, step, watched)] == [1.5, 1.5, 0.5]
    assert labels['what'].endswith('K=14, 8 prompts, fp32, goal <= 1.10 MISSED')
    assert step['what'].endswith('8 prompts, 10 queries, 1 x 64 x 96, goal <= 1.00 MISSED')
    assert not labels['met'] and not step['met'] and 'anomaly' in watched['reference']
    assert memory['ours_mb'] > 1
    assert memory['ratio'] == memory['ours_mb'] / memory['reference_mb']
    monkeypatch.setattr(zegclip, 'LABELS_GOAL', 1.5)
    assert zegclip.labels_row(config, (128, 128), CPU, 'fp32', 1)['what'].endswith('<= 1.50')


def test_memory_counts_what_autograd_keeps():
    """What only the backward pass reads is held by autograd alone, and counts all the same."""
    leaf = torch.ones(1000, requires_grad=True)

    def step():
        (leaf.exp().exp() * 2).sum().backward()

    # Both exponentials are kept until their gradients are there.
    assert 3 * 4000 / 2 ** 20 <= extra_mb(step, (leaf,), CPU) <= 5 * 4000 / 2 ** 20


def test_the_part_honours_batch_and_size(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(logging.getLogger(), 'level', logging.getLogger().level)
    row = dict(what='ZegCLIP', ours_s=1.0, reference_s=2.0, reference='plain', ratio=0.5)
    asked = []
    monkeypatch.setattr(zegclip, 'rows', lambda *args: asked.append(args) or [row])
    out = tmp_path / 'rows.json'
    for flags in ([], ['--train-batch', '3', '--train-size', '64', '96', '--out', str(out)]):
        monkeypatch.setattr(sys, 'argv', ['benchmark.py', 'zegclip', '--device', 'cpu', *flags])
        benchmark.main(benchmark.parse_args())
    assert asked == [(2, (512, 512), CPU, ['fp32'], 5), (3, (64, 96), CPU, ['fp32'], 5)]
    assert '0.50' in capsys.readouterr().out
    assert json.loads(out.read_text())['rows'] == [row]
