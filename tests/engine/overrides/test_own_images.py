"""A folder of pictures and other words for a trained ZegCLIP, whatever it was trained on."""

import copy

import pytest
import torch
from mmcv import Config
from mmseg.datasets import build_dataset

from mmseg_maskclip.clip import load_vocabulary
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.overrides.own_images import set_classes, set_images
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.configs import CONFIGS, LEAVES, loaded
from helpers.tools import assert_bad_input
from helpers.voc_tree import write_image

ZEGCLIP = [path for path in LEAVES if path.stem.startswith('zegclip_')]
VOC = CONFIGS / 'zegclip/zegclip_vit16_512x512_20k_voc12aug_20.py'


@pytest.fixture
def pictures(tmp_path):
    write_image(tmp_path / 'pictures/a.png', (40, 60))
    return tmp_path / 'pictures'


def _changed(path, pictures, classes=(), background=(), **model):
    config = copy.deepcopy(loaded(path))
    config.model.decode_head.update(model)
    set_images(config, str(pictures))
    if classes:
        set_classes(config, classes, background)
    return config


@cases('path', ZEGCLIP, ids=lambda path: path.stem)
def test_other_words_take_the_place_of_what_was_trained(path, pictures, tmp_path):
    trained = loaded(path)
    config = _changed(path, pictures, ['cat; kitten', 'lawn'], ['sky'],
                      text_embeddings_path='rows.npy')
    model, head = config.model, config.model.decode_head
    assert (model.transfer, model.unseen, model.test_cfg.seen_offset) == (True, [], 0.0)
    assert head.vocabulary == ['cat; kitten', 'lawn', 'sky'] and head.num_classes == 3
    assert head.text_embeddings_path is None
    assert model.backbone == trained.model.backbone and head.templates == (
        trained.model.decode_head.templates)
    config.dump(str(tmp_path / 'dumped.py'))
    dataset = build_dataset(Config.fromfile(str(tmp_path / 'dumped.py')).data.test,
                            {'test_mode': True})
    assert list(dataset.CLASSES) == ['cat', 'lawn', 'sky'] and dataset.unseen_ids == ()
    assert dataset.PALETTE[2] == [0, 0, 0]
    # Through the pipeline of the config's own test set.
    assert config.data.test.pipeline == trained.data.test.pipeline
    expected = (171, 256) if 'tinyworld' in path.stem else (512, 768)
    assert dataset[0]['img'][0].shape[1:] == expected


def test_without_words_the_model_is_tested_as_it_was_trained(pictures):
    trained = loaded(VOC)
    config = _changed(VOC, pictures)
    assert config.model == trained.model
    dataset = build_dataset(config.data.test, {'test_mode': True})
    names = list(load_vocabulary('zegclip_voc').class_names)
    assert names == dataset.CLASSES
    assert _changed(VOC, pictures, vocabulary=None).data.test.classes == names


def test_as_many_words_in_another_order_are_not_a_mistake(pictures, tmp_path, call_tool):
    path = CONFIGS / 'tiny/zegclip_tinyvit8_128x128_800_tinyworld.py'
    model = build_model(copy.deepcopy(loaded(path)))
    model.init_weights()
    names = loaded(path).vocabulary
    torch.save({'meta': {'CLASSES': names}, 'state_dict': model.state_dict()},
               tmp_path / 'trained.pth')
    run = ['tools/test.py', path, tmp_path / 'trained.pth', '--img-dir', pictures, '--out',
           tmp_path / 'labels.pkl', '--work-dir', tmp_path]
    done = call_tool(*run, '--classes', *reversed(names))
    assert done.returncode == 0, done.stderr
    # With the config's own words the order still counts.
    done = call_tool(*run, '--cfg-options', f"model.decode_head.vocabulary={names[::-1]}")
    assert_bad_input(done, 'give both in the same order')


def test_several_test_sets_give_way_to_the_folder(pictures):
    config = copy.deepcopy(loaded(VOC))
    one = config.data.test
    config.data.test = [one, copy.deepcopy(one)]
    set_images(config, str(pictures))
    assert config.data.test.pipeline == one.pipeline


def test_words_need_pictures_and_other_models_a_config_of_theirs(pictures):
    with pytest.raises(InputError, match='VOC20Dataset has its own classes: give --img-dir, too'):
        set_classes(copy.deepcopy(loaded(VOC)), ['cat'])
    maskclip = copy.deepcopy(loaded(CONFIGS / 'maskclip/maskclip_vit16_512x512_ade20k.py'))
    with pytest.raises(InputError, match='not on ADE150Dataset: use configs/maskclip/.*_demo.py'):
        set_images(maskclip, str(pictures))
    with pytest.raises(InputError, match='nowhere'):
        set_images(copy.deepcopy(loaded(VOC)), str(pictures / 'nowhere'))


def test_a_config_without_test_settings_takes_words_too(pictures):
    config = copy.deepcopy(loaded(VOC))
    del config.model['test_cfg']
    set_images(config, str(pictures))
    set_classes(config, ['cat', 'dog'])
    assert config.model.test_cfg == dict(seen_offset=0.0)
