import pytest
import torch
from mmcv import Config
from torch import nn

from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.utils import InputError

STUDENT = dict(
    type='EncoderDecoder',
    backbone=dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8,
                  norm_cfg=dict(type='SyncBN', requires_grad=True)),
    decode_head=dict(type='FCNHead', in_channels=64, channels=8, num_classes=4, in_index=3,
                     norm_cfg=dict(type='SyncBN', requires_grad=True)),
    train_cfg=dict(), test_cfg=dict(mode='whole'))


@pytest.mark.parametrize('gpus', [False, True])
def test_sync_bn_is_converted_where_it_cannot_run(gpus, monkeypatch):
    """On a CPU, and in a process on its own."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: gpus)
    model = build_model(Config(dict(model=STUDENT)))
    # mmcv's SyncBN is a class derived from torch's.
    assert not any(isinstance(module, nn.SyncBatchNorm) for module in model.modules())
    model.eval()(return_loss=False, img=[torch.randn(1, 3, 64, 64)], img_metas=[[dict(
        ori_shape=(64, 64, 3), img_shape=(64, 64, 3), pad_shape=(64, 64, 3), flip=False)]])


@pytest.mark.parametrize(('change', 'words'), [
    ({'type': 'Nothing'}, 'Nothing is not in the models registry'),
    ({'backbone': dict(type='ClipViT', arch='ViT-B/16', depth=3)}, "argument 'depth'"),
    ({'decode_head': dict(type='MaskClipHead', num_classes=2)}, 'text_channels'),
    ({'backbone': dict(arch='ViT-B/16')}, 'must contain the key "type"'),
])
def test_what_a_config_gets_wrong_is_one_sentence(change, words):
    model = dict(type='MaskClip', backbone=dict(type='ClipViT', arch='TinyViT'),
                 decode_head=dict(type='MaskClipHead', num_classes=2, text_channels=128),
                 test_cfg=dict(mode='whole'))
    with torch.device('meta'), pytest.raises(InputError, match=words):
        build_model(Config(dict(model={**model, **change})))


def test_a_defect_is_a_sentence_with_its_type(monkeypatch):
    from mmseg_maskclip.models.decode_heads import maskclip_head

    def defect(*args):
        raise TypeError('unsupported operand')

    monkeypatch.setattr(maskclip_head, '_check', defect)
    with pytest.raises(InputError, match='model cannot .*TypeError: .*unsupported operand'):
        build_model(Config(dict(model=dict(
            type='MaskClip', backbone=dict(type='ClipViT', arch='TinyViT'),
            decode_head=dict(type='MaskClipHead', num_classes=2, text_channels=128),
            test_cfg=dict(mode='whole')))))
