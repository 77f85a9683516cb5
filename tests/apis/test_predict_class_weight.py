"""Predictions of models that were made with a class weight."""

import json

import pytest
import torch

from mmseg_maskclip import load, load_config
from mmseg_maskclip.clip import build_text_bank, find_checkpoint, get_spec, read_clip_checkpoint
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.train.resume import describe_model
from mmseg_maskclip.tinyworld import CLASSES
from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.utils import InputError

from helpers.cases import cases

STUDENT = 'tiny/maskclip_plus_tinyvit_deeplabv2_tiny_class_weight_256x256_400_tinyworld.py'


@pytest.fixture(scope='module')
def content():
    """The checkpoint of a student with random weights."""
    config, spec = load_config(STUDENT), get_spec('TinyViT')
    model = build_model(config)
    model.decode_head.set_text_bank(build_text_bank(
        read_clip_checkpoint(find_checkpoint(spec)), spec, list(CLASSES), progress=False))
    return {'state_dict': model.state_dict(),
            'meta': {'CLASSES': CLASSES, 'model': describe_model(config)}}


@cases('on', ['student', 'teacher', 'both'])
def test_a_student_that_is_weighed_itself_is_predicted_without_that(on, content, tmp_path):
    described = json.loads(content['meta']['model'])
    described['class_weight']['on'] = on
    path = tmp_path / 'latest.pth'
    torch.save({**content, 'meta': {**content['meta'], 'model': json.dumps(described)}}, path)
    if on == 'teacher':
        found = load(path, device='cpu')
    else:
        with pytest.raises(InputError, match='has a class weight.*model.class_weight=None'):
            load(path, device='cpu')
        found = load(path, device='cpu', options={'model.class_weight': None})
    assert found.predict(scene(0, 0).image[:64]).names == CLASSES


def test_a_training_free_model_is_predicted_without_its_own():
    config = 'tiny/maskclip_tinyrn_class_weight_256x256_tinyworld.py'
    with pytest.raises(InputError, match='has a class weight'):
        load(config, device='cpu')
    assert load(config, device='cpu', options={'model.class_weight': None}).names == CLASSES
