"""Pretrained weights of students: loaded whole, or an error."""

import mmseg_maskclip  # noqa: F401, I001  (makes mmseg importable)
import pytest
import torch
from mmseg.models import build_backbone

from mmseg_maskclip.apis.pretrained import check_pretrained, without_pretrained
from mmseg_maskclip.utils import InputError

SMALL = dict(type='ResNetV1c', num_stages=4, base_channels=8, stem_channels=8)
MIT = dict(type='MixVisionTransformer', embed_dims=8, num_stages=4, num_layers=[1, 1, 1, 1],
           num_heads=[1, 1, 1, 1], sr_ratios=[8, 4, 2, 1])


def _backbone(path, depth=18, **kwargs):
    settings = kwargs or {**SMALL, 'depth': depth}
    return build_backbone({**settings, 'init_cfg': dict(type='Pretrained', checkpoint=str(path))})


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / 'resnet.pth'
    torch.save(build_backbone({**SMALL, 'depth': 18}).state_dict(), path)
    return path


def test_right_weights_pass_and_are_loaded(weights):
    model = _backbone(weights)
    check_pretrained(model)
    model.init_weights()
    for key, value in torch.load(weights, weights_only=True).items():
        assert torch.equal(model.state_dict()[key], value)


def test_weights_of_a_shallower_student_are_refused(weights):
    with pytest.raises(InputError, match=r'lacks \d+ of the \d+ .*such as layer1.2.conv1.weight'):
        check_pretrained(_backbone(weights, depth=34))


def test_a_few_missing_are_a_warning(weights):
    state = torch.load(weights, weights_only=True)
    del state['layer4.1.bn2.weight']
    torch.save({'state_dict': {f'module.{key}': value for key, value in state.items()}}, weights)
    check_pretrained(_backbone(weights))


def test_unconverted_weights_name_the_command(tmp_path):
    path = tmp_path / 'mit_b0_weight.pth'
    torch.save({'patch_embed1.proj.weight': torch.ones(32, 3, 7, 7)}, path)
    with pytest.raises(InputError, match='mit2mmseg.py mit_b0.pth .*mit_b0_weight.pth'):
        check_pretrained(_backbone(path, **MIT))


@pytest.mark.parametrize(('name', 'content', 'words'), [
    ('none.pth', None, 'does not exist'),
    ('half.pth', b'PK\x03\x04half', 'can not be read'),
])
def test_missing_and_broken_files_are_told(tmp_path, name, content, words):
    if content:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words):
        check_pretrained(_backbone(tmp_path / name))


def test_missing_file_of_a_mix_transformer_names_the_command(tmp_path):
    with pytest.raises(InputError, match='mit2mmseg.py mit_b3.pth'):
        check_pretrained(_backbone(tmp_path / 'mit_b3_weight.pth', **MIT))


def test_unknown_model_of_a_zoo_is_told():
    with pytest.raises(InputError, match='no model'):
        check_pretrained(_backbone('open-mmlab://resnet101_v7'))


def test_resuming_needs_no_pretrained_file(tmp_path):
    model = _backbone(tmp_path / 'gone.pth')
    without_pretrained(model)
    model.init_weights()
