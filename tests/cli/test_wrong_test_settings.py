"""Wrong settings of a test run: one sentence, whatever finds them."""

from helpers.cases import cases
from helpers.configs import CONFIGS
from helpers.tools import assert_bad_input

CONFIG = CONFIGS / 'tiny/maskclip_tinyrn_256x256_tinyworld.py'


@cases('option, words', [
    ('data.test=abc', ['data.test cannot be built']),
    ('data.test_dataloader=abc', ["data.test_dataloader is 'abc', expected a dict"]),
    ('data.test.pipeline.1.transforms=[]', ['testing fails on an image']),
    ('model.test_cfg=None', ['testing fails on an image', "'mode'"]),
    ('model.test_cfg=abc', ['testing fails on an image']),
    ('model.decode_head.templates=5', ['cannot be given its weights']),
    ('model.decode_head.text_embeddings_path=5', ['cannot be given its weights']),
    ('fp16=abc', ["fp16 is 'abc'"]),
    ('fp16.loss_scale=abc', ["fp16.loss_scale is 'abc'"]),
])
def test_option_is_told(option, words, tiny_world, tiny_rn, tmp_path, call_tool):
    assert_bad_input(
        call_tool('tools/test.py', CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path,
                  '--cfg-options', f'data.test.data_root={tiny_world}', 'data.workers_per_gpu=0',
                  option), *words)


@cases('option, words', [('metric=mDice', ['metric', 'use --eval']), ('logger=abc', ['the log']),
                         ('results=3', ['results'])])
def test_what_is_given_already_is_no_option_of_the_evaluation(option, words, tiny_world, tiny_rn,
                                                              tmp_path, call_tool):
    assert_bad_input(
        call_tool('tools/test.py', CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path,
                  '--eval-options', option, '--cfg-options',
                  f'data.test.data_root={tiny_world}', 'data.workers_per_gpu=0'), *words)
