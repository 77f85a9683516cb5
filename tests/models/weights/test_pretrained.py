"""Pretrained weights of students: loaded whole, or an error."""

import mmseg_maskclip  # noqa: F401, I001  (makes mmseg importable)
import pytest
import timm
import torch
from mmcv import Config
from mmseg.models import build_backbone
from safetensors.torch import save_file

from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.models.weights.pretrained import check_pretrained, without_pretrained
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
    with pytest.raises(InputError, match=r'80 of 190 .*layer1.2.conv1.weight.*first entries are'):
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
    ('half.pth', b'PK\x03\x04half', 'is cut off'),
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
    with pytest.raises(InputError, match='cannot be fetched: KeyError.*resnet101_v7'):
        check_pretrained(_backbone('open-mmlab://resnet101_v7'))


def test_resuming_needs_no_pretrained_file(tmp_path):
    model = _backbone(tmp_path / 'gone.pth')
    without_pretrained(model)
    model.init_weights()


TIMM = dict(type='MaskClipPlus', backbone=dict(
    type='TIMMBackbone', model_name='convnext_atto', features_only=True, pretrained=True),
    decode_head=dict(type='MaskClipPlusHead', num_classes=3, text_channels=8,
                     decoder=dict(type='FCNHead', in_channels=320, in_index=3, num_convs=1)),
    test_cfg=dict(mode='whole'))


@pytest.fixture
def no_hub(monkeypatch):
    """timm's hub can't be reached, and says so at once."""
    def fail(*args, **kwargs):
        raise FileNotFoundError('no connection to the hub')

    monkeypatch.setattr('timm.models._builder.load_state_dict_from_hf', fail)
    monkeypatch.setattr('timm.models._builder.load_state_dict_from_url', fail)


@pytest.mark.parametrize(('name', 'save'), [('atto.pth', torch.save),
                                            ('model.safetensors', save_file)])
def test_timm_backbone_reads_the_file_it_is_given(no_hub, tmp_path, name, save):
    weights = timm.create_model('convnext_atto', pretrained=False).state_dict()
    path = tmp_path / name
    save(weights, path)
    model = build_model(Config(dict(model={**TIMM, 'pretrained': str(path)})), training=True)
    assert torch.equal(model.backbone.timm_model.stem_0.weight, weights['stem.0.weight'])
    with pytest.raises(InputError, match=f"timm's convnext_femto from {path} cannot.*mismatch"):
        build_model(Config(dict(model={**TIMM, 'pretrained': str(path), 'backbone': {
            **TIMM['backbone'], 'model_name': 'convnext_femto'}})), training=True)


@pytest.mark.parametrize('prefix', ['backbone.', 'module.encoder_q.'])
def test_timm_weights_that_match_nothing_are_refused(no_hub, tmp_path, prefix):
    """timm itself takes such a file and starts at random."""
    weights = timm.create_model('convnext_atto', pretrained=False).state_dict()
    path = tmp_path / 'prefixed.pth'
    torch.save({prefix + key: value for key, value in weights.items()}, path)
    with pytest.raises(InputError, match=r'lacks \d+ of the \d+ weights of convnext_atto'):
        build_model(Config(dict(model={**TIMM, 'pretrained': str(path)})), training=True)


@pytest.mark.parametrize('change', [
    dict(backbone={**TIMM['backbone'], 'model_name': 'convnext_attoo', 'pretrained': False}),
    dict(decode_head={**TIMM['decode_head'], 'decoder': dict(
        type='FCNHead', in_channels=-5, in_index=3, num_convs=1)})])
def test_other_mistakes_are_not_put_down_to_weights(no_hub, change):
    with pytest.raises(InputError, match='^model cannot be built') as raised:
        build_model(Config(dict(model={**TIMM, **change})), training=False)
    assert 'pretrained weights' not in str(raised.value)


def test_timm_weights_that_are_not_there_are_told(no_hub):
    with pytest.raises(InputError, match="from timm's hub cannot .*no connection"):
        build_model(Config(dict(model=TIMM)), training=True)
    with pytest.raises(InputError, match='none.pth does not exist'):
        build_model(Config(dict(model={**TIMM, 'pretrained': 'none.pth'})), training=True)


def test_timm_fetches_nothing_where_a_checkpoint_follows(no_hub):
    config = Config(dict(model={**TIMM, 'pretrained': 'none.pth'}))
    for wanted in (dict(training=False), dict(training=True, pretrained=False)):
        assert build_model(config, **wanted).backbone.timm_model is not None
    assert config.model.pretrained == 'none.pth'
