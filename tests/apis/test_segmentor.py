"""mmseg's inference functions on a model whose weights are a CLIP file."""

import mmcv
import numpy as np
import pytest
import torch
from mmcv import Config

import mmseg_maskclip
from mmseg_maskclip import init_segmentor, load_config
from mmseg_maskclip.engine.build import build_model, build_test_dataset
from mmseg_maskclip.engine.inference import label_sample, samples_of_process
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.utils import InputError

from helpers.cases import cases

CONFIG = 'tiny/maskclip_tinyrn_256x256_tinyworld.py'


@pytest.fixture(scope='module')
def config(tiny_world):
    return load_config(CONFIG, {'data.test.data_root': str(tiny_world)})


@pytest.fixture(scope='module')
def model(config):
    return init_segmentor(config, 'TinyRN', 'cpu')


def test_mmseg_labels_as_the_test_tool_does(config, model):
    from mmseg.apis import inference_segmentor

    dataset = build_test_dataset(config)
    reference = build_model(config)
    load_weights(reference, 'TinyRN')
    reference.eval()
    files = [f"{dataset.img_dir}/{info['filename']}" for info in dataset.img_infos][:3]
    found = inference_segmentor(model, files[0])
    assert len(found) == 1
    for index, sample in samples_of_process(dataset, config):
        if index >= len(files):
            break
        expected = label_sample(reference, sample, torch.device('cpu'))
        for picture in (files[index], mmcv.imread(files[index])):
            assert np.array_equal(inference_segmentor(model, picture)[0], expected)
        assert len(np.unique(expected)) > 1


def test_results_are_drawn_in_the_data_set_s_colours(config, model, tmp_path):
    from mmseg.apis import inference_segmentor

    dataset = build_test_dataset(config)
    assert tuple(model.CLASSES) == tuple(dataset.CLASSES)
    assert np.array_equal(model.PALETTE, dataset.PALETTE)
    assert model.cfg is config and not model.training
    picture = f"{dataset.img_dir}/{dataset.img_infos[0]['filename']}"
    labels = inference_segmentor(model, picture)
    model.show_result(picture, labels, out_file=str(tmp_path / 'x.png'), opacity=1)
    drawn = mmcv.imread(str(tmp_path / 'x.png'), channel_order='rgb')
    assert np.array_equal(drawn, np.array(dataset.PALETTE, np.uint8)[labels[0]])


def test_a_trained_checkpoint_brings_its_own_names(config, model, tmp_path):
    names, colours = [f'name {i}' for i in range(len(model.CLASSES))], [
        [i, i, 1] for i in range(len(model.CLASSES))]
    torch.save({'state_dict': model.state_dict(), 'meta': {'CLASSES': names, 'PALETTE': colours}},
               tmp_path / 'x.pth')
    found = init_segmentor(config, tmp_path / 'x.pth')
    assert list(found.CLASSES) == names and list(found.PALETTE) == colours


def _of_words(config, **head):
    own = Config(config._cfg_dict.to_dict())
    own.model.decode_head.update(vocabulary=['red; crimson', 'blue'], **head)
    return own


def test_own_class_names_have_colours_too(config):
    own = _of_words(config, num_classes=2)
    before = own.pretty_text
    found = init_segmentor(own)
    assert own.pretty_text == before
    assert tuple(found.CLASSES) == ('red', 'blue')
    assert len({tuple(colour) for colour in found.PALETTE}) == 2


def test_a_student_s_background_has_a_name(tiny_world):
    config = load_config('tiny/maskclip_plus_tinyrn_deeplabv2_tiny_256x256_400_tinyworld.py',
                         {'data.test.data_root': str(tiny_world)})
    found = init_segmentor(_of_words(config, num_classes=3, cls_bg=True))
    assert tuple(found.CLASSES) == ('background', 'red', 'blue')


@cases('config, checkpoint, words', [
    ('tiny/none.py', 'TinyRN', 'none.py'), (3, 'TinyRN', 'config is a int, expected a file'),
    (CONFIG, 'none.pth', 'none.pth'), (CONFIG, 'ViT-B/16', 'ViT-B-16.pt')])
def test_what_is_wrong_is_told(config, checkpoint, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=words):
        init_segmentor(config, checkpoint, 'cpu')


def test_it_is_public():
    assert 'init_segmentor' in mmseg_maskclip.__all__
    assert mmseg_maskclip.init_segmentor is init_segmentor
