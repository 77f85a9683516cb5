"""Training runs of a few steps on the embedded world."""

import copy
import json
import math

import pytest
import torch

from mmseg_maskclip.clip import load_vocabulary
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.train import resume as training_start
from mmseg_maskclip.engine.train.checkpoint import read_checkpoint
from mmseg_maskclip.engine.train.evaluation import TrainEvalHook
from mmseg_maskclip.engine.train.train import TrainOptions, train_model
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.utils import InputError

from helpers.training import TEACHER, curve, write_training_config

ITERATIONS = 6
NO_BATCH = {'model.decode_head.dropout_ratio': 0.0, 'model.labelling.clip_guided': (1, -1),
            'model.labelling.self_train': (-1, -1)}


@pytest.fixture(scope='module')
def config_path(tiny_world, tmp_path_factory):
    return write_training_config(tmp_path_factory.mktemp('config') / 'tiny.py', tiny_world,
                                 ITERATIONS)


@pytest.fixture(scope='module')
def groups_path(tiny_world, tmp_path_factory):
    """A student whose normalisation does not know the batch."""
    return write_training_config(tmp_path_factory.mktemp('config') / 'groups.py', tiny_world, 3,
                                 norm='GN')


@pytest.fixture(scope='module')
def full_run(config_path, tmp_path_factory):
    """An uninterrupted run, evaluated after iterations 3 and 6."""
    folder = tmp_path_factory.mktemp('full')
    config = load_config(config_path, {'evaluation.interval': 3, 'evaluation.save_best': 'mIoU'})
    train_model(config, TrainOptions(str(folder), seed=5))
    return folder


@pytest.fixture
def told(monkeypatch):
    """What the start of a run says."""
    lines = []
    monkeypatch.setattr(training_start, 'print_log', lambda line, *_, **__: lines.append(line))
    return lines


def _weights(folder, iteration=ITERATIONS):
    return read_checkpoint(folder / f'iter_{iteration}.pth')['state_dict']


def _same(first, second):
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key


def test_run_leaves_checkpoints_logs_and_config(full_run, config_path):
    assert (full_run / 'latest.pth').resolve() == (full_run / 'iter_6.pth').resolve()
    assert len(list(full_run.glob('*.log'))) == 1
    losses = curve(full_run)
    assert sorted(losses) == [1, 2, 3, 4, 5, 6]
    assert all(math.isfinite(value) for value in losses.values())
    # Two steps go through the four images.
    epochs = {1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3}
    assert curve(full_run, 'epoch') == epochs
    assert {step: read_checkpoint(full_run / f'iter_{step}.pth')['meta']['epoch']
            for step in epochs} == epochs
    dumped = load_config(full_run / config_path.name)
    assert dumped.model.decode_head.text_channels == 128
    text = next(full_run.glob('*.log')).read_text()
    for words in ('Seed: 5', 'torch ', 'eta: ', 'Iteration 1: from here on', 'CLIP teacher',
                  'Iteration 4: from here on', 'model itself'):
        assert words in text
    assert not list(full_run.glob('.*'))


def test_checkpoint_holds_the_student_and_nothing_else(full_run, config_path):
    content = torch.load(full_run / 'iter_6.pth', weights_only=True)
    student = build_model(load_config(config_path))
    assert content['state_dict'].keys() == student.state_dict().keys()
    assert not any('teacher' in key for key in content['state_dict'])
    trained = sum(value.numel() for value in student.parameters())
    slots = [state['momentum_buffer'] for state in content['optimizer']['state'].values()]
    assert sum(slot.numel() for slot in slots) == trained
    meta = content['meta']
    assert (meta['iter'], meta['seed'], len(meta['CLASSES'])) == (6, 5, 14)
    assert {'torch', 'mmcv', 'mmseg_maskclip'} <= set(meta['versions'])


def test_checkpoint_is_what_the_test_tool_loads(full_run, config_path):
    model = build_model(load_config(config_path))
    meta = load_weights(model, str(full_run / 'latest.pth'))
    assert meta['iter'] == 6
    _same(model.state_dict(), _weights(full_run))


def test_resumed_in_the_second_stage_it_ends_the_same(full_run, config_path, tmp_path):
    """Without the evaluations, which must not matter, and without naming the seed."""
    config = load_config(config_path)
    train_model(config, TrainOptions(str(tmp_path), resume_from=str(full_run / 'iter_4.pth'),
                                     validate=False))
    losses = curve(full_run)
    assert curve(tmp_path) == {5: losses[5], 6: losses[6]}
    _same(_weights(tmp_path), _weights(full_run))
    first, second = (read_checkpoint(folder / 'iter_6.pth')['optimizer']
                     for folder in (full_run, tmp_path))
    assert first['param_groups'] == second['param_groups']
    for key, state in first['state'].items():
        assert torch.equal(state['momentum_buffer'], second['state'][key]['momentum_buffer'])


def test_with_class_weight_resumed_it_ends_the_same(config_path, tmp_path):
    """Over both stages, with a cache that a run finds again or not."""
    weight = {'model.class_weight': dict(classifier='TinyRN', on='both', tau=0.5,
                                         cache_dir=str(tmp_path / 'cache')),
              'runner.max_iters': 4, 'model.labelling.clip_guided': (1, 2),
              'model.labelling.self_train': (3, -1)}
    whole, resumed = tmp_path / 'whole', tmp_path / 'resumed'
    train_model(load_config(config_path, weight),
                TrainOptions(str(whole), seed=5, validate=False))
    weight['model.class_weight'].update(cache_dir=None)
    train_model(load_config(config_path, weight), TrainOptions(
        str(resumed), resume_from=str(whole / 'iter_1.pth'), validate=False))
    losses = curve(whole)
    assert curve(resumed) == {2: losses[2], 3: losses[3], 4: losses[4]}
    _same(_weights(resumed, 4), _weights(whole, 4))


def test_another_seed_gives_another_curve(full_run, config_path, tmp_path):
    train_model(load_config(config_path, {'runner.max_iters': 1}),
                TrainOptions(str(tmp_path), seed=6, validate=False))
    assert curve(tmp_path)[1] != curve(full_run)[1]


def _copy(source, target, *names):
    for name in names:
        (target / name).write_bytes((source / name).read_bytes())


@pytest.mark.parametrize('recorded', [True, False])
def test_evaluation_is_neither_lost_nor_repeated(full_run, config_path, tmp_path, monkeypatch,
                                                 recorded):
    """Killed after checkpoint 3 was written: before or after its evaluation ended."""
    figures = json.loads((full_run / 'evaluations.json').read_text())
    _copy(full_run, tmp_path, 'iter_3.pth', *(['evaluations.json'] if recorded else []))
    evaluated = []
    original = TrainEvalHook.evaluate

    def watched(hook, runner, results):
        evaluated.append(runner.iter + 1)
        return original(hook, runner, results)

    monkeypatch.setattr(TrainEvalHook, 'evaluate', watched)
    config = load_config(config_path, {'evaluation.interval': 3, 'evaluation.save_best': 'mIoU'})
    train_model(config, TrainOptions(str(tmp_path), auto_resume=True))
    assert evaluated == ([6] if recorded else [3, 6])
    found = json.loads((tmp_path / 'evaluations.json').read_text())
    assert list(found) == list(figures) == ['3', '6']
    for key, entry in figures.items():
        assert found[key]['metrics'] == pytest.approx(entry['metrics'])
        assert (found[key]['best'].get('best_score') == pytest.approx(
            entry['best'].get('best_score')))
    _same(_weights(tmp_path), _weights(full_run))


@pytest.mark.parametrize(('change', 'words'), [
    ({'model.backbone.base_channels': 16, 'model.decode_head.decoder.in_channels': 128},
     'backbone.base_channels'),
    ({'model.labelling.self_train': (5, -1), 'model.labelling.clip_guided': (1, 4)},
     'labelling.clip_guided'),
])
def test_resuming_another_model_is_refused(full_run, config_path, tmp_path, change, words):
    options = TrainOptions(str(tmp_path), resume_from=str(full_run / 'iter_4.pth'))
    with pytest.raises(InputError, match=words):
        train_model(load_config(config_path, change), options)


def _altered(clip_file, tmp_path):
    content = torch.load(clip_file, weights_only=True)
    content['visual.layer4.0.conv1.weight'] = 2 * content['visual.layer4.0.conv1.weight']
    torch.save(content, tmp_path / 'other_clip.pth')
    return tmp_path / 'other_clip.pth'


def test_resuming_other_settings_is_told(full_run, config_path, tmp_path, told):
    resume = str(full_run / 'iter_4.pth')
    train_model(load_config(config_path, {'optimizer.lr': 0.1, 'data.samples_per_gpu': 1}),
                TrainOptions(str(tmp_path), resume_from=resume, validate=False))
    words = next(line for line in told if 'other settings' in line)
    assert 'of data.samples_per_gpu, optimizer.lr:' in words
    other = {'model.teacher.clip_checkpoint': str(_altered(TEACHER, tmp_path))}
    train_model(load_config(config_path, other),
                TrainOptions(str(tmp_path), resume_from=resume, validate=False))
    assert 'settings of model.teacher:' in [line for line in told if 'other settings' in line][1]
    with pytest.raises(InputError, match='optimizer.type=SGD, the config has AdamW'):
        train_model(load_config(config_path, {'optimizer': dict(
            _delete_=True, type='AdamW', lr=0.1)}), TrainOptions(str(tmp_path), resume_from=resume))


def test_moved_and_joined_data_are_the_same_run(config_path, tmp_path):
    config = load_config(config_path)
    model, options = torch.nn.Linear(1, 1), TrainOptions(str(tmp_path))
    moved = copy.deepcopy(config)
    moved.data.train.data_root = 'elsewhere'
    once = training_start.describe_run(config, options, model)
    assert training_start.describe_run(moved, options, model) == once
    joined, both_moved = copy.deepcopy(config), copy.deepcopy(config)
    joined.data.train = [config.data.train, config.data.train]
    both_moved.data.train = [moved.data.train, moved.data.train]
    twice = training_start.describe_run(joined, options, model)
    assert training_start.describe_run(both_moved, options, model) == twice != once


def test_resuming_the_same_run_says_nothing(full_run, config_path, tmp_path, told):
    train_model(load_config(config_path), TrainOptions(
        str(tmp_path), resume_from=str(full_run / 'iter_5.pth'), validate=False))
    assert not [line for line in told if 'other settings' in line]


def test_share_filled_is_that_of_the_stage(full_run, config_path, tmp_path):
    """No figure of a stage that is over, with no evaluation to clear the log's memory."""
    train_model(load_config(config_path), TrainOptions(str(tmp_path), seed=5, validate=False))
    logged = [json.loads(line) for line in next(tmp_path.glob('*.json')).read_text().splitlines()]
    stages = [[name for name in entry if 'filled' in name] for entry in logged
              if entry.get('mode') == 'train']
    assert stages == 3 * [['decode.filled_clip']] + 3 * [['decode.filled_self']]


def test_new_run_in_a_used_folder_forgets_the_old_figures(full_run, config_path, tmp_path):
    _copy(full_run, tmp_path, 'evaluations.json')
    config = load_config(config_path, {'runner.max_iters': 1, 'evaluation.interval': 3})
    train_model(config, TrainOptions(str(tmp_path), seed=6))
    assert not (tmp_path / 'evaluations.json').exists()


def test_shapes_are_looked_at_where_no_config_is_recorded(full_run, config_path, tmp_path):
    content = read_checkpoint(full_run / 'iter_4.pth')
    del content['meta']['model']
    torch.save(content, tmp_path / 'other.pth')
    config = load_config(config_path, {'model.backbone.base_channels': 16,
                                       'model.decode_head.decoder.in_channels': 128})
    with pytest.raises(InputError, match='does not fit: .* of another shape .*--load-from'):
        train_model(config, TrainOptions(str(tmp_path), validate=False,
                                         resume_from=str(tmp_path / 'other.pth')))


def test_load_from_starts_a_new_run_from_the_weights(full_run, config_path, tmp_path):
    config = load_config(config_path, {'runner.max_iters': 1, 'optimizer.lr': 0.0,
                                       'lr_config.min_lr': 0.0})
    train_model(config, TrainOptions(str(tmp_path), load_from=str(full_run / 'iter_6.pth'),
                                     validate=False))
    before, after = _weights(full_run), _weights(tmp_path, 1)
    assert torch.equal(before['backbone.stem.0.weight'], after['backbone.stem.0.weight'])
    assert list(curve(tmp_path)) == [1]


def test_load_from_leaves_the_texts_to_this_run(full_run, config_path, tmp_path):
    names = load_config(config_path).model.decode_head.vocabulary
    backwards = list(load_vocabulary(names).class_names)[::-1]
    config = load_config(config_path, {
        'runner.max_iters': 1, 'model.decode_head.vocabulary': backwards,
        'model.teacher.decode_head.vocabulary': backwards, 'data.train.classes': backwards})
    train_model(config, TrainOptions(str(tmp_path), load_from=str(full_run / 'iter_6.pth'),
                                     validate=False))
    before, after = (state['decode_head.text.embeddings']
                     for state in (_weights(full_run), _weights(tmp_path, 1)))
    torch.testing.assert_close(after, before.flip(0))


def test_accumulated_batches_make_the_step_of_one_large_batch(groups_path, tmp_path):
    runs = {}
    for name, change in {'large': {'data.samples_per_gpu': 4},
                         'parts': {'data.samples_per_gpu': 2, 'accumulative_counts': 2}}.items():
        config = load_config(groups_path, {**NO_BATCH, **change})
        train_model(config, TrainOptions(str(tmp_path / name), seed=0, validate=False))
        runs[name] = curve(tmp_path / name)
        assert curve(tmp_path / name, 'epoch') == {1: 1, 2: 2, 3: 3}
    assert runs['large'] == pytest.approx(runs['parts'], abs=2e-5)
    # The log rounds; the weights tell of a wrong factor.
    large, parts = (_weights(tmp_path / name, 3) for name in runs)
    for key, value in large.items():
        torch.testing.assert_close(parts[key], value, rtol=1e-3, atol=1e-5, msg=key)


def test_gradients_are_clipped_to_the_norm_asked_for(groups_path, tmp_path):
    """A plain step is as long as the learning rate times the clipped norm."""
    config = load_config(groups_path, {
        'runner.max_iters': 2, 'optimizer_config.grad_clip': dict(max_norm=0.25, norm_type=2),
        'optimizer': dict(_delete_=True, type='SGD', lr=0.5),
        'lr_config': dict(_delete_=True, policy='fixed')})
    model = train_model(config, TrainOptions(str(tmp_path), seed=0, validate=False))
    before, after = _weights(tmp_path, 1), _weights(tmp_path, 2)
    step = sum((after[name] - before[name]).square().sum() for name, _ in model.named_parameters())
    assert step.sqrt().item() == pytest.approx(0.5 * 0.25, rel=1e-3)
    assert curve(tmp_path, 'grad_norm')[2] > 0.5


def test_bfloat16_follows_single_precision(groups_path, tmp_path):
    for amp in (None, 'bf16'):
        config = load_config(groups_path, {**NO_BATCH, 'runner.max_iters': 2})
        model = train_model(config, TrainOptions(str(tmp_path / str(amp)), seed=0, amp=amp,
                                                 validate=False))
        assert {value.dtype for value in model.parameters()} == {torch.float32}
    single, half = curve(tmp_path / 'None'), curve(tmp_path / 'bf16')
    assert single != half
    assert single == pytest.approx(half, rel=0.03)


def test_frozen_parts_of_a_student_are_not_trained(config_path, tmp_path):
    config = load_config(config_path, {'model.backbone.frozen_stages': 1, 'runner.max_iters': 2})
    model = train_model(config, TrainOptions(str(tmp_path), seed=0, validate=False))
    content = read_checkpoint(tmp_path / 'iter_2.pth')
    trained = [value for value in model.parameters() if value.requires_grad]
    assert 0 < len(trained) < len(list(model.parameters()))
    assert len(content['optimizer']['state']) == len(trained)
    assert sum(len(group['params'])
               for group in content['optimizer']['param_groups']) == len(trained)
    first = read_checkpoint(tmp_path / 'iter_1.pth')['state_dict']['backbone.stem.0.weight']
    assert torch.equal(first, content['state_dict']['backbone.stem.0.weight'])


def test_a_run_without_a_label_is_refused(config_path, tmp_path):
    config = load_config(config_path, {'model.labelling': None})
    with pytest.raises(InputError, match='nothing to learn from: .*unlabelled withholds'):
        train_model(config, TrainOptions(str(tmp_path), seed=0))


def test_stages_run_without_the_hook_being_named(config_path, tmp_path):
    config = load_config(config_path, {'runner.max_iters': 1})
    config.custom_hooks = []
    train_model(config, TrainOptions(str(tmp_path), seed=0, validate=False))
    assert curve(tmp_path, 'decode.filled_clip')[1] > 0.5


def test_a_diverged_run_stops_with_a_sentence(config_path, tmp_path):
    config = load_config(config_path, {'optimizer.lr': 1e30})
    with pytest.raises(InputError, match=r'loss is (nan|inf) at iteration 2: lower optimizer.lr'):
        train_model(config, TrainOptions(str(tmp_path), seed=0, validate=False))
    assert [path.name for path in tmp_path.glob('iter_*.pth')] == ['iter_1.pth']


@pytest.mark.parametrize(('scale', 'rate'), [(True, 0.1), (False, 0.2)])
def test_only_the_flag_changes_the_learning_rate(config_path, tmp_path, scale, rate):
    """And only in the run: the config given is left as it is."""
    config = load_config(config_path, {'runner.max_iters': 1, 'total_batch_size': 4,
                                       'optimizer.lr': 0.2})
    before = config.pretty_text
    train_model(config, TrainOptions(str(tmp_path), seed=0, auto_scale_lr=scale, validate=False))
    assert config.pretty_text == before
    assert curve(tmp_path, 'lr')[1] == pytest.approx(rate)


def test_best_checkpoint_is_remembered_from_the_record(full_run, config_path, tmp_path):
    """The checkpoint of iteration 3 was written before iteration 3 was found to be the best."""
    _copy(full_run, tmp_path, 'iter_3.pth', 'evaluations.json')
    record = json.loads((tmp_path / 'evaluations.json').read_text())
    record['3']['best'] = {'best_score': 0.99, 'best_ckpt': str(tmp_path / 'best.pth')}
    (tmp_path / 'evaluations.json').write_text(json.dumps(record))
    config = load_config(config_path, {'evaluation.interval': 3, 'evaluation.save_best': 'mIoU'})
    train_model(config, TrainOptions(str(tmp_path), auto_resume=True))
    assert read_checkpoint(tmp_path / 'iter_6.pth')['meta']['hook_msgs']['best_score'] == 0.99
    assert not list(tmp_path.glob('best_*.pth'))
    assert list(full_run.glob('best_mIoU_iter_*.pth'))


def test_head_and_norms_may_have_their_own_rates(config_path, tmp_path):
    """As in the schedules of SegFormer."""
    config = load_config(config_path, {
        'runner.max_iters': 1, 'optimizer.paramwise_cfg': dict(custom_keys=dict(
            norm=dict(decay_mult=0.0), head=dict(lr_mult=10.0)))})
    model = train_model(config, TrainOptions(str(tmp_path), seed=0, validate=False))
    groups = read_checkpoint(tmp_path / 'iter_1.pth')['optimizer']['param_groups']
    rates = [group['lr'] for group in groups]
    assert len(groups) == len(list(model.parameters()))
    assert {round(rate, 9) for rate in rates} == {0.05, 0.5}
    assert rates.count(0.5) == len(list(model.decode_head.parameters()))


@pytest.mark.gpu
def test_half_precision_resumes_with_its_loss_scale(groups_path, tmp_path):
    config = load_config(groups_path, NO_BATCH)
    train_model(config, TrainOptions(str(tmp_path / 'whole'), seed=0, amp='fp16', validate=False))
    whole = read_checkpoint(tmp_path / 'whole' / 'iter_3.pth')
    assert whole['stateful']['scaler']['scale'] > 0
    train_model(config, TrainOptions(str(tmp_path / 'resumed'), amp='fp16', validate=False,
                                     resume_from=str(tmp_path / 'whole' / 'iter_2.pth')))
    resumed = read_checkpoint(tmp_path / 'resumed' / 'iter_3.pth')
    assert resumed['stateful']['scaler'] == whole['stateful']['scaler']
    assert curve(tmp_path / 'resumed')[3] == pytest.approx(curve(tmp_path / 'whole')[3], rel=1e-2)
