"""Wrong settings of a test run: one sentence, whatever finds them."""

from PIL import Image

from helpers.cases import cases
from helpers.configs import CONFIGS
from helpers.tools import assert_bad_input

CONFIG = CONFIGS / 'tiny/maskclip_tinyrn_256x256_tinyworld.py'


@cases('option, words', [
    ('data.test=abc', ['data.test cannot be built']),
    ('data.test_dataloader=abc', ["data.test_dataloader is 'abc', expected a dict"]),
    ('data.test.pipeline.1.transforms=[]', ['testing fails on an image']),
    ('model.test_cfg=None', ["test_cfg.mode is None, expected 'whole'"]),
    ('model.test_cfg=abc', ['testing fails on an image']),
    ('model.decode_head.templates=5', ['templates are 5']),
    ('model.decode_head.text_embeddings_path=5', ['cannot be given its weights']),
    ("model.refine=[{'type':'Background','prob_thd':0.1}]", ['none is declared', "label='none'"]),
    ("model.refine=[{'type':'Background','prob_thd':0.1,'label':1}]",
     ["label=1, class 'sky'", "label='none'"]),
    ("model.refine=[{'type':'Background','words':['trees','forest']}]",
     ["'forest' of Background is a name of class 'forest'"]),
    ("model.test_cfg={'mode':'slide','crop_size':(64,64),'stride':(32,32),'direct_resize':True}",
     ["direct_resize is for mode 'whole'"]),
    ('fp16=abc', ["fp16 is 'abc'"]),
    ('fp16.loss_scale=abc', ["fp16.loss_scale is 'abc'"]),
])
def test_option_is_told(option, words, tiny_world, tiny_rn, tmp_path, call_tool):
    assert_bad_input(
        call_tool('tools/test.py', CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path,
                  '--cfg-options', f'data.test.data_root={tiny_world}', 'data.workers_per_gpu=0',
                  option), *words)


def test_pamr_of_one_pixel_is_told(tiny_rn, tmp_path, call_tool):
    """The pipeline enlarges the picture, scores have its original size."""
    (tmp_path / 'pictures').mkdir()
    Image.new('RGB', (1, 1), 'red').save(tmp_path / 'pictures/dot.png')
    config = tmp_path / 'folder.py'
    config.write_text(
        f"_base_ = ['{CONFIGS}/_base_/models/maskclip_tinyrn.py',\n"
        f"          '{CONFIGS}/_base_/datasets/image_folder.py',\n"
        f"          '{CONFIGS}/_base_/default_runtime.py']\n"
        "model = dict(refine=[dict(type='Pamr')])\n")
    assert_bad_input(
        call_tool('tools/test.py', config, tiny_rn, '--img-dir', tmp_path / 'pictures',
                  '--classes', 'sky', 'grass', '--show-dir', tmp_path / 'out', '--work-dir',
                  tmp_path, '--cfg-options', 'data.workers_per_gpu=0'),
        'Pamr compares a pixel with its neighbours')


@cases('option, words', [('metric=mDice', ['metric', 'use --eval']), ('logger=abc', ['the log']),
                         ('results=3', ['results'])])
def test_what_is_given_already_is_no_option_of_the_evaluation(option, words, tiny_world, tiny_rn,
                                                              tmp_path, call_tool):
    assert_bad_input(
        call_tool('tools/test.py', CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path,
                  '--eval-options', option, '--cfg-options',
                  f'data.test.data_root={tiny_world}', 'data.workers_per_gpu=0'), *words)
