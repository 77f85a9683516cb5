"""The benchmark of test runs, of half precision, of large banks and of many files, in miniature."""

import pytest
import torch

from mmseg_maskclip.clip import read_clip_checkpoint

from benchmarks import scale, speed, testing

CPU = torch.device('cpu')


@pytest.fixture(autouse=True)
def embedded(monkeypatch):
    """The benchmark takes models of OpenAI, with random weights."""
    for module in (scale, testing):
        monkeypatch.setattr(module, 'random_checkpoint',
                            lambda spec: read_clip_checkpoint(spec.weights))
    monkeypatch.setattr(testing, 'random_file', lambda spec, folder: spec.weights)
    monkeypatch.setattr(testing, 'SIZE', (64, 96))


def test_half_precision_is_compared_with_fp32(tmp_path):
    row, = testing.precision_rows('TinyViT', CPU, 1)
    assert 0.9 < row['equal_labels'] < 1
    assert row['ratio'] == pytest.approx(row['ours_s'] / row['reference_s'])
    whole, = testing.world_rows('TinyRN', CPU, 2)
    assert 0.97 < whole['equal_labels'] < 1 and whole['precision'] == 'bf16'
    assert 0.4 < whole['miou_fp32'] < 1 and whole['miou'] != whole['miou_fp32']
    assert f'{100 * whole["miou"]:.2f} against' in speed.table([row, whole])


def test_a_test_run_is_compared_with_the_forward_pass(monkeypatch):
    """Seconds are those between the label files of the first batch and the last."""
    seen, together = [], testing.grouped
    monkeypatch.setattr(testing, 'grouped', lambda samples, size, model: seen.append(size)
                        or together(samples, size, model))
    rows = testing.loop_rows('TinyRN', CPU, 1, files=5, short=64)
    assert [row['what'].split(', ')[2] for row in rows] == ['batch 1', 'batch 2']
    assert seen == [1, 2]
    for row in rows:
        assert 0 < row['ours_s'] < 5 and 0 < row['reference_s'] < 5
        assert row['met'] == (row['ours_s'] <= row['reference_s'] / 0.9)
        assert ('MISSED' in row['what']) != row['met']


def test_a_large_bank_is_never_held_at_image_size():
    time, memory = scale.bank_rows('TinyViT', rows=1500, side=128)
    assert time['ours_s'] > 0 and memory['plain_mb'] == 1500 * 128 * 128 * 4 / 2 ** 20
    assert memory['extra_mb'] < memory['plain_mb'] / 4


def test_names_are_listed_and_counted(tmp_path):
    row = scale._listing(tmp_path / 'names', 1200)
    assert '1200 names' in row['what'] and row['ours_s'] > 0


@pytest.mark.slow
def test_many_files_are_watched_from_outside(tmp_path):
    growth, rate, listed = scale.file_rows(40, tmp_path)
    assert 0 <= growth['extra_mb'] < growth['plain_mb'] and growth['plain_mb'] > 200
    assert rate['ours_s'] > 0 and '4000 names' in listed['what']
    assert not list(tmp_path.iterdir())
