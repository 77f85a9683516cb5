"""Settings at a config's top level that have no effect."""

import pytest

from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.train.train import TrainOptions, train_model
from mmseg_maskclip.engine.unread import unread_keys
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.configs import CONFIGS, LEAVES, loaded
from helpers.training import write_training_config

TINY = CONFIGS / 'tiny/maskclip_tinyrn_256x256_tinyworld.py'
PLUS = CONFIGS / 'tiny/maskclip_plus_tinyrn_deeplabv2_tiny_256x256_400_tinyworld.py'


def test_shipped_configs_have_none():
    assert len(LEAVES) > 100
    assert {str(path): unread_keys(loaded(path)) for path in LEAVES
            if unread_keys(loaded(path))} == {}


@cases('text, expected', [
    ('optimiser = dict(lr=1)', ['optimiser']),
    ('crop_size = (64, 64)', ['crop_size']),
    ('img_norm_cfg = dict(mean=[0, 0, 0])\ntrain_pipeline = []',
     ['img_norm_cfg', 'train_pipeline']),
    ('rate = 0.1\noptimizer = dict(lr=rate)', []),
    ('sizes = [size for size in (1, 2)]\ndata = dict(samples_per_gpu=sizes[0])', []),
    ('optimizer = dict(lr=0.1)\nmomentum_config = None\nseed = 3', []),
    ('unseen = [3]\nevaluation = dict(interval={{_base_.num_classes}})', ['unseen']),
    ('num_classes = 5\nevaluation = dict(interval={{_base_.num_classes}})', ['num_classes']),
])
def test_keys_of_a_deriving_config(tmp_path, text, expected):
    path = tmp_path / 'config.py'
    path.write_text(f'_base_ = {str(PLUS)!r}\n{text}\n')
    assert [key for key, _ in unread_keys(load_config(path))] == expected


def test_a_base_is_looked_at_and_named_too(tmp_path):
    (tmp_path / 'schedule.py').write_text('evalution = dict(interval=5)\nmine = 3\nother = 4\n')
    path = tmp_path / 'config.py'
    path.write_text(f"_base_ = [{str(PLUS)!r}, './schedule.py']\nseed = {{{{ _base_.mine }}}}\n")
    assert unread_keys(load_config(path)) == [('evalution', 'schedule.py'),
                                              ('other', 'schedule.py')]


def test_a_written_config_keeps_the_variables_it_was_made_of(tmp_path):
    path = tmp_path / 'config.py'
    config = load_config(PLUS)
    assert 'crop_size' in config
    path.write_text(config.pretty_text)
    assert unread_keys(load_config(path)) == []


@cases('key, words', [
    ('crop_size', 'set data.train.pipeline.3.crop_size'),
    ('num_classes', 'set model.decode_head.num_classes, model.teacher.decode_head.num_classes'),
    ('img_norm_cfg.mean', "nothing reads 'img_norm_cfg'"),
])
def test_an_option_without_effect_is_refused(key, words):
    with pytest.raises(InputError, match=words):
        load_config(PLUS, {key: 3})


def test_the_log_of_training_names_them(tiny_world, tmp_path):
    path = write_training_config(tmp_path / 'config.py', tiny_world, 1)
    path.write_text(path.read_text() + 'evalution = dict(interval=1)\ncrop_size = (9, 9)\n')
    train_model(load_config(path), TrainOptions(str(tmp_path), seed=0, validate=False))
    lines = [line for line in next(tmp_path.glob('*.log')).read_text().splitlines()
             if 'nothing reads' in line]
    assert len(lines) == 2
    assert "'evalution', did you mean 'evaluation'?" in '\n'.join(lines)
    assert "'crop_size': set data.train.pipeline" in '\n'.join(lines)


def test_the_test_tool_names_them(tiny_world, tiny_rn, tmp_path, call_tool):
    path = tmp_path / 'config.py'
    path.write_text(f'_base_ = {str(TINY)!r}\nimg_scale = (64, 64)\n')
    done = call_tool('tools/test.py', path, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path,
                     '--cfg-options', f'data.test.data_root={tiny_world}',
                     'data.workers_per_gpu=0')
    assert done.returncode == 0, done.stderr
    lines = [line for line in (done.stdout + done.stderr).splitlines() if 'nothing reads' in line]
    assert len(lines) == 1
    assert "config.py: nothing reads 'img_scale': set data.train.pipeline" in lines[0]
