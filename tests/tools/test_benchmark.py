import multiprocessing

import pytest
import torch

from mmseg_maskclip.clip import get_spec, read_clip_checkpoint
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.models.backbones.base import IMAGENET_MEAN, IMAGENET_STD
from mmseg_maskclip.models.backbones.packing import PackedWeights
from mmseg_maskclip.models.class_weight.image_classifier import ImageClassifier

from benchmarks import class_weight as benchmark_class_weight
from benchmarks import speed as benchmark
from benchmarks import training as benchmark_train
from benchmarks.reference import random_checkpoint, reference_encoder
from helpers.students import build_student
from helpers.tools import ROOT, assert_bad_input


@pytest.fixture
def plus_config(monkeypatch):
    """A MaskCLIP+ that takes no time; the benchmark takes models of OpenAI, random ones."""
    for module in (benchmark_train, benchmark_class_weight):
        monkeypatch.setattr(module, 'random_checkpoint',
                            lambda spec: read_clip_checkpoint(spec.weights))
    return load_config(
        ROOT / 'configs/tiny/maskclip_plus_tinyrn_deeplabv2_tiny_256x256_400_tinyworld.py')


@torch.no_grad()
def test_reference_runs_on_the_same_weights():
    """At the native size both answer the same image with the same embedding."""
    spec = get_spec('RN50')
    checkpoint = random_checkpoint(spec)
    reference = reference_encoder(checkpoint, spec, (224, 224))
    model = benchmark.maskclip_of(checkpoint, spec, num_classes=3)
    reference.attnpool.positional_embedding.data = checkpoint.visual[
        'attnpool.positional_embedding']
    pixels = torch.rand(1, 3, 224, 224)
    imagenet = (pixels * 255 - torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1)) \
        / torch.tensor(IMAGENET_STD).view(1, 3, 1, 1)
    openai = (pixels - torch.tensor(spec.mean).view(1, 3, 1, 1)) \
        / torch.tensor(spec.std).view(1, 3, 1, 1)
    torch.testing.assert_close(model.backbone.encode_image(imagenet), reference(openai),
                               rtol=1e-3, atol=1e-4)


def test_times_are_taken_in_turns():
    order = []
    seconds = benchmark.median_times({'a': lambda: order.append('a'),
                                      'b': lambda: order.append('b')}, 2, torch.device('cpu'))
    assert order == ['a', 'b'] * 3 and set(seconds) == {'a', 'b'}


def test_large_vocabulary_stays_below_two_gigabytes():
    """Measured in a process of its own: peak resident memory on top of the scores."""
    with multiprocessing.get_context('fork').Pool(1) as pool:
        row = pool.apply(benchmark.large_vocabulary, (), dict(num_classes=1000, side=1024))
    assert 0 < row['extra_mb'] < 500 < row['plain_mb']


def test_table_shows_ratios():
    text = benchmark.table([{'what': 'x', 'ours_s': 1.0, 'reference_s': 2.0,
                             'reference': 'y', 'ratio': 0.5}])
    assert '0.50' in text and '2.000 s' in text


def test_unknown_part_is_an_error(call_tool):
    done = call_tool('tools/benchmark.py', 'nothing')
    assert done.returncode == 2 and 'nothing' in done.stderr
    for flag, value, words in (('--device', 'tpu', "device 'tpu'"),
                               ('--out', '/proc/nowhere/x.json', '/proc/nowhere')):
        assert_bad_input(call_tool('tools/benchmark.py', 'memory', flag, value), words)


def test_training_step_and_pipeline_have_a_row_each(plus_config):
    rows = benchmark_train.training_step(plus_config, 1, (64, 64), None, torch.device('cpu'), 1)
    assert [('ours_s' in row, 'ours_mb' in row) for row in rows] == [(True, False), (False, True)]
    assert 0.2 < rows[1]['ratio'] < 5
    rows.append(benchmark_train.data_pipeline(plus_config, 1))
    for row, unit in zip(rows, ('s', 'mb', 'per_s')):
        ours, reference = (row[f'{whose}_{unit}'] for whose in ('ours', 'reference'))
        assert ours > 0 and reference > 0
        # A ratio of more than one is slower, or larger: of rates it is the other way round.
        assert row['ratio'] == pytest.approx(reference / ours if unit == 'per_s'
                                             else ours / reference)
    assert 'a second' in benchmark.table(rows)


def test_training_steps_differ_in_who_labels_and_in_the_layout_of_the_teacher(monkeypatch):
    """The reference learns from given labels, ours from the teacher's; both move the student."""
    model = build_student()
    model.iteration = 1
    steps = benchmark_train.Steps(model, 2, (32, 32), None, torch.device('cpu'))
    seen = []
    complete = model.label_unlabelled
    model.label_unlabelled = lambda *args: seen.append(complete(*args)) or seen[-1]
    layouts, tower = [], model.teacher.backbone
    dense = tower.dense
    monkeypatch.setattr(tower, 'dense', lambda *args, **kwargs: layouts.append(
        (tower.frozen, PackedWeights.enabled)) or dense(*args, **kwargs))
    weight = model.backbone.layer1[0].conv1.weight
    before = weight.detach().clone()
    steps.labelled_by_teacher()
    after = weight.detach().clone()
    steps.supervised_and_teacher()
    assert not torch.equal(before, after) and not torch.equal(after, weight)
    assert seen[0][1] == 1 and seen[1][1] is None
    assert torch.equal(seen[1][0], steps.given[:, 0])
    assert layouts == [(True, PackedWeights.enabled), (False, False)]
    assert tower.frozen


@pytest.mark.parametrize('changed, precision, share', [(0, 'bf16', 1.0), (2, 'bf16', 2046 / 2048),
                                                       (3, 'fp32', 1.0)])
def test_the_teacher_computes_in_the_lowest_precision_that_leaves_its_labels(
        changed, precision, share, monkeypatch):
    """Of 2048 pixels two may change, a thousandth."""
    model = build_student()
    model.iteration = 1
    steps = benchmark_train.Steps(model, 2, (32, 32), None, torch.device('cpu'))
    complete = model.label_unlabelled

    def change(*args):
        labels, filled = complete(*args)
        if model.teacher_precision != 'fp32':
            labels = complete_in_full.clone()
            labels.flatten()[:changed] += 1
        return labels, filled

    complete_in_full = complete(steps.unlabelled[:, 0], steps.images, steps.metas, steps.images)[0]
    monkeypatch.setattr(model, 'label_unlabelled', change)
    assert steps.lower_teacher() == pytest.approx(share)
    assert model.teacher_precision == precision


def test_class_weight_has_rows_for_first_and_later_times(plus_config, monkeypatch):
    """The classifier reads the image every time, once, or never; seen by counting."""
    monkeypatch.setattr(benchmark_class_weight, 'CLASSIFIER', 'TinyViT')
    monkeypatch.setattr(benchmark_class_weight, 'SIZE', (128, 160))
    read, encode = [], ImageClassifier.encode
    monkeypatch.setattr(ImageClassifier, 'encode',
                        lambda self, picture: read.append(picture) or encode(self, picture))
    counted = []

    def count(candidates, repeats, device):
        counted.append({})
        for name, call in candidates.items():
            before = len(read)
            for _ in range(2):
                call()
            counted[-1][name] = len(read) - before
        return {'without': 2.0, 'first': 5.0, 'cached': 3.0, 'with': 3.0}

    monkeypatch.setattr(benchmark_class_weight, 'median_times', count)
    rows = benchmark_class_weight.weighted_image('TinyRN', torch.device('cpu'), 1)
    rows.append(benchmark_class_weight.weighted_step(plus_config, 1, (64, 64), torch.device('cpu'),
                                                     1))
    assert counted == [{'without': 0, 'first': 2, 'cached': 1}, {'with': 1, 'without': 0}]
    assert ['first time' in row['what'] for row in rows] == [True, False, False]
    assert [row['ratio'] for row in rows] == [2.5, 1.5, 1.5]
    assert '5.000 s' in benchmark.table(rows)
