"""Wrong values of a training config are told before anything is built, or on the first image."""

import pytest

from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.train.checks.values import check_values
from mmseg_maskclip.engine.train.settings import check_settings
from mmseg_maskclip.engine.train.train import TrainOptions, train_model
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.training import write_training_config


@pytest.fixture(scope='module')
def path(tiny_world, tmp_path_factory):
    return write_training_config(tmp_path_factory.mktemp('config') / 'tiny.py', tiny_world, 2)


@cases('options', [
    {}, {'log_level': 10}, {'log_level': 'WARNING'}, {'evaluation': None}, {'custom_hooks': None},
    {'checkpoint_config.filename_tmpl': 'step_{}.pth'}, {'checkpoint_config.interval': -1},
    {'checkpoint_config.max_keep_ckpts': -1},
    {'optimizer_config.grad_clip': {'max_norm': 1, 'norm_type': 2}},
    {'optimizer_config.grad_clip': None}, {'momentum_config': None},
    {'lr_config': {'policy': 'CosineAnnealing', 'min_lr': 0, '_delete_': True}},
    {'lr_config': {'policy': 'OneCycle', 'max_lr': 0.1, '_delete_': True}},
    {'lr_config': {'policy': 'step', 'step': [1], '_delete_': True}},
    {'momentum_config': {'policy': 'cyclic'}, 'lr_config': {'policy': 'cyclic', '_delete_': True}},
    {'optimizer': {'type': 'AdamW', 'lr': 1e-4, 'paramwise_cfg': {}, '_delete_': True}},
])
def test_right_values_pass(path, options):
    check_settings(load_config(path, options), None)


@cases('options, words', [
    ({'optimizer': 'abc'}, "^optimizer is 'abc', expected a dict"),
    ({'optimizer.type': None}, 'optimizer.type is None'),
    ({'optimizer.type': 'SDG'}, "'SDG', .*did you mean 'SGD'"),
    ({'optimizer.lr': None}, 'optimizer.lr is None'),
    ({'optimizer.lr': -1}, 'optimizer.lr is -1'),
    ({'optimizer.paramwise_cfg': {'custom_key': {}}}, "did you mean 'custom_keys'"),
    ({'optimizer_config': 'abc'}, "optimizer_config is 'abc'"),
    ({'optimizer_config.type': 'Mine'}, "optimizer_config.type is 'Mine'"),
    ({'optimizer_config.grad_clip': 'abc'}, "grad_clip is 'abc', expected a dict"),
    ({'optimizer_config.grad_clip': {}}, 'max_norm=NUMBER'),
    ({'optimizer_config.grad_clip.max_norm': 'abc'}, "max_norm is 'abc'"),
    ({'lr_config': 'abc'}, "lr_config is 'abc'"),
    ({'lr_config.policy': 'pol'}, "lr_config.policy is 'pol', expected one of .*Poly"),
    ({'lr_config.policy': None}, 'lr_config.policy is None'),
    ({'lr_config.power': 'abc'}, 'lr_config does not work: TypeError'),
    ({'lr_config.warmup': 'nope'}, 'lr_config cannot be built'),
    ({'lr_config.by_epoch': True}, 'lr_config.by_epoch is True'),
    ({'momentum_config': 'abc'}, "momentum_config is 'abc'"),
    ({'momentum_config.policy': 'abc'}, "momentum_config.policy is 'abc'"),
    ({'runner': 'abc'}, 'runner is abc'),
    ({'runner.max_iter': 4}, "nothing reads runner.max_iter, did you mean 'max_iters'"),
    ({'workflow': 'abc'}, 'workflow is abc'),
    ({'evaluation': 'abc'}, "evaluation is 'abc'"),
    ({'evaluation.interval': 0}, 'evaluation.interval is 0'),
    ({'evaluation.interval': 'abc'}, "evaluation.interval is 'abc'"),
    ({'checkpoint_config': 'abc'}, "checkpoint_config is 'abc'"),
    ({'checkpoint_config.interval': 0}, 'checkpoint_config.interval is 0.*-1 writes the last'),
    ({'checkpoint_config.intervall': 9}, "nothing reads .*intervall, did you mean 'interval'"),
    ({'checkpoint_config.max_keep_ckpts': 'abc'}, "max_keep_ckpts is 'abc'"),
    ({'checkpoint_config.by_epoch': True}, 'by_epoch is True, with which nothing is written'),
    ({'checkpoint_config.out_dir': '/dev/null/x'}, 'checkpoint_config.out_dir /dev/null/x'),
    ({'checkpoint_config.filename_tmpl': 'last.pth'}, "filename_tmpl is 'last.pth', .*iter_{}"),
    ({'checkpoint_config.filename_tmpl': 3}, 'filename_tmpl is 3'),
    ({'checkpoint_config.out_dir': 5}, 'checkpoint_config.out_dir is 5'),
    ({'log_config': 'abc'}, "log_config is 'abc'"),
    ({'log_config.interval': 0}, 'log_config.interval is 0'),
    ({'log_config.hooks': 'abc'}, "log_config.hooks is 'abc'"),
    ({'log_config.hooks.0.type': 'TextLogerHook'}, "did you mean 'TextLoggerHook'"),
    ({'log_config.hooks.0.interval': 'abc'}, "log_config.hooks.interval is 'abc'"),
    ({'log_level': 'abc'}, "log_level is 'abc'"),
    ({'custom_hooks': 'abc'}, "custom_hooks is 'abc', expected a list of dicts"),
    ({'custom_hooks': [3]}, r'custom_hooks is \[3\]'),
    ({'custom_hooks.0.type': 'NoHook'}, 'NoHook.*hook registry'),
    ({'data.train': 'abc'}, "data.train is 'abc'"),
    ({'data.val': 'abc'}, "data.val is 'abc'"),
    ({'data.train_dataloader': 'abc'}, "data.train_dataloader is 'abc'"),
    ({'data.workers_per_gpu': 'abc'}, "data.workers_per_gpu is 'abc'"),
    ({'data': 'abc'}, "no dict 'data'"),
    ({'model': 'abc'}, "no dict 'model'"),
])
def test_wrong_values_are_told_before_anything_is_built(path, options, words):
    with pytest.raises(InputError, match=words):
        check_settings(load_config(path, options), None)


def test_a_schedule_of_the_users_own_is_left_to_the_run(path):
    from mmcv.runner import HOOKS, LrUpdaterHook

    @HOOKS.register_module(force=True)
    class DemandingLrUpdaterHook(LrUpdaterHook):
        def get_lr(self, runner, base_lr):
            return base_lr / len(runner.hooks)

    try:
        check_values(load_config(path, {'lr_config': {'policy': 'demanding', '_delete_': True}}))
    finally:
        HOOKS.module_dict.pop('DemandingLrUpdaterHook')


@cases('options, words', [
    ({'data.train.pipeline': []}, "data.train.pipeline gives no 'img'"),
    ({'data.train.pipeline.8.keys': ['img']}, "data.train.pipeline gives no 'gt_semantic_seg'"),
    ({'data.train.pipeline.2.ratio_range': [3, 1]}, 'data.train: image .* does not go through'),
    ({'data.train.pipeline.5.mean': [1, 2]}, 'data.train: image .* does not go through'),
    ({'data.train_dataloader.nope': 1}, "data.train_dataloader cannot be built.*'nope'"),
    ({'model.decode_head.loss_decode.class_weight': [1.0, 2.0]},
     'model.decode_head.loss_decode.class_weight has 2 weights, expected 14'),
    ({'model.decode_head.loss_decode.class_weight': 'none.npy'}, "none.npy"),
    ({'model.decode_head.ignore_index': 'abc', 'evaluation': None},
     "the first training step fails with this config: .*ignore_index"),
    ({'checkpoint_config.file_client_args': {'backend': 'nope'}},
     'a hook fails before the first step.*nope'),
    ({'model.backbone.init_cfg': {'type': 'Pretrained'}}, 'pretrained weights cannot be found'),
])
def test_what_only_running_shows_is_told_at_the_start(path, tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        train_model(load_config(path, options), TrainOptions(str(tmp_path), seed=0))
    assert not list(tmp_path.glob('iter_*.pth'))


def test_a_lack_of_memory_keeps_its_own_sentence(path, tmp_path, monkeypatch):
    from mmseg_maskclip.engine.train.runner import TrainRunner

    def full(*_):
        raise MemoryError('no more')

    monkeypatch.setattr(TrainRunner, '_step', full)
    with pytest.raises(MemoryError):
        train_model(load_config(path, {'evaluation': None}), TrainOptions(str(tmp_path), seed=0))


def test_a_failure_after_the_first_step_keeps_its_traceback(path, tmp_path, monkeypatch):
    from mmseg_maskclip.engine.train.runner import TrainRunner
    step = TrainRunner._step

    def breaks_later(self, *args):
        if self.iter:
            raise RuntimeError('a defect')
        return step(self, *args)

    monkeypatch.setattr(TrainRunner, '_step', breaks_later)
    with pytest.raises(RuntimeError, match='^a defect$'):
        train_model(load_config(path, {'evaluation': None}), TrainOptions(str(tmp_path), seed=0))


def test_a_run_that_leaves_nothing_behind_says_so(path, tmp_path):
    config = load_config(path, {'checkpoint_config': None})
    del config.data['val']
    train_model(config, TrainOptions(str(tmp_path), seed=0))
    text = next(tmp_path.glob('*.log')).read_text()
    assert 'the config has no checkpoint_config' in text
    assert 'the config has no data.val' in text
