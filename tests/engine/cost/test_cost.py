"""What models cost, against counts by hand."""

import pytest
import torch
from mmcv import Config
from mmcv.runner import BaseModule
from mmseg.models.builder import BACKBONES
from torch import nn

from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.cost import Cost, count_flops, measure_cost
from mmseg_maskclip.models.segmentors.tiled_inference import TiledInference

from helpers.cases import cases
from helpers.students import DECODERS, student_config

CPU, META = torch.device('cpu'), torch.device('meta')
ViT = dict(width=48, layers=3, heads=4, patch_size=8, image_size=32, embed_dim=24)


@BACKBONES.register_module()
class OneConvolution(BaseModule):
    """3 to 4 channels, stride 2; nothing of it is learned."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False).requires_grad_(False)

    def forward(self, image):
        return (self.layer(image),)


def _plain(mode='whole'):
    """A model of mmseg, 3 x 3 and 1 x 1 convolutions with biases on the backbone's features."""
    head = dict(type='FCNHead', in_channels=4, in_index=0, num_classes=5, dropout_ratio=0,
                loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True))
    test = dict(slide=dict(mode='slide', crop_size=(8, 8), stride=(4, 4)), whole=dict(mode=mode))
    return Config(dict(model=dict(
        type='EncoderDecoder', backbone=dict(type='OneConvolution'),
        decode_head=dict(head, channels=6, num_convs=1, concat_input=False),
        auxiliary_head=dict(head, channels=4, num_convs=0, concat_input=False),
        train_cfg=dict(), test_cfg=test[mode])))


def _maskclip(mode='whole', readout=None, synonyms='mean', vocabulary=None, **model):
    return Config(dict(model=dict(
        type='MaskClip', backbone=dict(type='ClipViT', arch=ViT, readout=readout),
        decode_head=dict(type='MaskClipHead', num_classes=2, text_channels=24, synonyms=synonyms,
                         vocabulary=vocabulary, text_embeddings_path='no/such/file.pth'),
        clip_checkpoint='no/such/CLIP.pt', test_cfg=dict(mode=mode, **(
            dict(crop_size=(32, 32), stride=(16, 16)) if mode == 'slide' else {})), **model)))


@cases('mode', ['whole', 'slide'])
def test_convolutions_by_hand(mode, monkeypatch):
    """An input larger than the window that testing slides is one window all the same."""
    seen, forward = [], OneConvolution.forward
    monkeypatch.setattr(OneConvolution, 'forward', lambda self, image: seen.append(
        tuple(image.shape)) or forward(self, image))
    cost = measure_cost(_plain(mode), (16, 24), CPU, repeats=2)
    # Once before anything is counted, once for the model, once for its backbone, and a warm-up
    # before the timed runs.
    assert seen == [(1, 3, 16, 24)] * 6
    cells = 8 * 12
    assert cost.parts == {'backbone': (4 * 27, 0, cells * 4 * 27),
                          'head': (6 * 36 + 6 + 5 * 6 + 5, 257, cells * (6 * 36 + 5 * 6))}
    assert cost.total == (365, 257, cells * (4 * 27 + 6 * 36 + 5 * 6))
    assert cost.auxiliary == (5 * 4 + 5, 25) and cost.slide == (mode == 'slide')
    assert len(cost.seconds) == 2 and cost.images_per_second > 0


def test_speed_is_that_of_the_median_run():
    assert Cost((1, 1), False, {}, (0, 0), [0.5, 9.0, 0.1]).images_per_second == 2


def _vit_macs(patches, width, layers, patch, wide, classes):
    """Of MaskCLIP: all tokens through all blocks, the last block by its values alone."""
    tokens = patches + 1
    block = tokens * 12 * width ** 2 + 2 * tokens ** 2 * width
    last = patches * 10 * width ** 2
    backbone = (patches * (3 * patch ** 2 * width + width * wide) + last + (layers - 1) * block)
    return backbone, patches * wide * classes


@cases('device, mode', [(CPU, 'whole'), (META, 'whole'), (META, 'slide')])
def test_vit_by_its_formula(device, mode):
    """At a size that is padded, and not square; attention runs through torch's fused kernel."""
    cost = measure_cost(_maskclip(mode), (64, 90), device)
    backbone, head = _vit_macs(8 * 12, 48, 3, 8, 24, 2)
    assert {name: part.macs for name, part in cost.parts.items()} == dict(
        backbone=backbone, head=head)
    assert cost.total.learned == 0 < cost.total.parameters


def test_operations_inside_of_attention_and_beside_it_are_counted():
    query, key = torch.rand(2, 3, 5, 4), torch.rand(2, 3, 7, 4)
    attend = torch.nn.functional.scaled_dot_product_attention
    inside = 2 * 2 * 3 * 5 * 7 * (4 + 4)
    assert count_flops(lambda: attend(query, key, key)) == inside
    assert count_flops(lambda: attend(query, key, key, attn_mask=torch.rand(1, 1, 5, 7))
                       @ torch.rand(4, 9)) == inside + 2 * 2 * 3 * 5 * 4 * 9


@torch.no_grad()
def test_operations_of_torchs_attention_layer_are_counted():
    """In eval mode it would run as one kernel, of which the counter knows nothing."""
    layer, tokens = nn.MultiheadAttention(8, 2, batch_first=True).eval(), torch.rand(1, 5, 8)
    macs = 4 * 5 * 8 * 8 + 2 * 5 * 5 * 8
    assert count_flops(lambda: layer(tokens, tokens, tokens, need_weights=False)) == 2 * macs
    assert torch.backends.mha.get_fastpath_enabled()


def test_each_row_of_the_text_embeddings_is_scored():
    """Synonyms that are kept apart and contrast words have rows of their own."""
    words = dict(type='Background', words=['sky; cloud', 'sea'])
    config = _maskclip(synonyms='separate', vocabulary=['a; b; c', 'd'], refine=[words])
    cost = measure_cost(config, (32, 32), CPU)
    assert cost.parts['head'].macs == 16 * 24 * (4 + 3)
    assert measure_cost(_maskclip(vocabulary=['a; b; c', 'd']), (32, 32),
                        META).parts['head'].macs == 16 * 24 * 2


def test_a_second_readout_and_the_image_prior_cost_more():
    """The labels that guide the second read-out are values: they need a real device."""
    once = measure_cost(_maskclip(readout=dict(type='AttentionReadout', pairs='kk')), (64, 64), CPU)
    twice = measure_cost(_maskclip(readout=dict(type='AttentionReadout', pairs='kk'),
                                   feedback=dict()), (64, 64), CPU)
    assert twice.parts['backbone'].macs > once.parts['backbone'].macs
    prior = _maskclip('slide', refine=[dict(type='ClassPrior')])
    plain, more = (measure_cost(config, (64, 64), CPU) for config in (_maskclip('slide'), prior))
    assert more.parts['other'].macs > plain.parts['backbone'].macs / 2
    assert more.parts['other'].parameters == 0 and 'other' not in plain.parts


@cases('student', list(DECODERS))
def test_what_students_learn_is_what_has_a_gradient(student):
    """The teacher is not part of a test forward, the classifier of the class weight is."""
    weight = dict(classifier='TinyViT', source='input')
    cost = measure_cost(student_config(student, model=dict(class_weight=weight)), (64, 64), CPU)
    student = build_model(student_config(student))
    assert student.teacher is None and isinstance(student, TiledInference)
    own = list(student.parameters())
    assert cost.total.learned == sum(value.numel() for value in own if value.requires_grad) > 0
    classifier = build_model(student_config(model=dict(class_weight=weight))).class_weight
    assert cost.parts['other'].parameters == sum(
        value.numel() for value in classifier.parameters()) > 0
    assert cost.total.parameters == (sum(value.numel() for value in own)
                                     + cost.parts['other'].parameters)
    assert all(part.macs > 0 for part in cost.parts.values())


def test_a_shared_tower_is_counted_once():
    config = _maskclip(class_weight=dict(classifier=None, source='class_token'))
    cost = measure_cost(config, (32, 32), CPU)
    assert cost.total.parameters == measure_cost(_maskclip(), (32, 32), META).total.parameters


def test_frozen_layers_and_tower_parameters_of_any_depth_are_found():
    """A module that a backbone uses without registering it belongs to the backbone."""
    from mmseg_maskclip.engine.cost.parameters import parameters_by_part
    from mmseg_maskclip.models.unregistered import UnregisteredModules

    class Prompted(UnregisteredModules, nn.Module):
        def __init__(self):
            super().__init__()
            self.prompts = nn.Parameter(torch.zeros(5))
            self.set_unregistered('tower', nn.Linear(2, 3).requires_grad_(False))

    model = nn.Module()
    model.backbone, model.decode_head = Prompted(), nn.Linear(1, 1)
    assert parameters_by_part(model) == {'backbone': (14, 5), 'head': (2, 2), 'other': (0, 0)}


@pytest.mark.gpu
def test_the_same_on_a_gpu():
    device = torch.device('cuda')
    cost = measure_cost(_maskclip(), (64, 96), device, repeats=2)
    assert cost.parts == measure_cost(_maskclip(), (64, 96), CPU).parts and len(cost.seconds) == 2
