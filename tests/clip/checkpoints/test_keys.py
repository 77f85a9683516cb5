"""Key names: every architecture's image tower, both ways."""

import open_clip
import pytest
import torch

from mmseg_maskclip.clip import (
    ClipCheckpoint,
    backbone_to_openai,
    get_spec,
    list_models,
    openai_to_backbone,
)
from mmseg_maskclip.models.backbones import ClipResNet, ClipViT
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.tiny_clip import make_tiny_clip

NAMES = [*list_models()[:9], 'ViT-H-14:laion2b_s32b_b79k', 'ViT-g-14', 'ViT-B-16-plus-240']
# Published names of MaskCLIP's converted files.
VIT = {
    'class_embedding': 'cls_token',
    'positional_embedding': 'pos_embed',
    'conv1.weight': 'patch_embed.projection.weight',
    'ln_pre.weight': 'ln0.weight', 'ln_post.bias': 'ln1.bias', 'proj': 'proj.weight',
    'transformer.resblocks.2.ln_1.weight': 'layers.2.ln1.weight',
    'transformer.resblocks.2.ln_2.bias': 'layers.2.ln2.bias',
    'transformer.resblocks.0.attn.in_proj_weight': 'layers.0.attn.attn.in_proj_weight',
    'transformer.resblocks.0.attn.in_proj_bias': 'layers.0.attn.attn.in_proj_bias',
    'transformer.resblocks.0.attn.out_proj.bias': 'layers.0.attn.attn.out_proj.bias',
    'transformer.resblocks.1.mlp.c_fc.weight': 'layers.1.ffn.layers.0.0.weight',
    'transformer.resblocks.1.mlp.c_proj.bias': 'layers.1.ffn.layers.1.bias',
}
RESNET = {
    'conv1.weight': 'stem.0.weight', 'bn1.running_mean': 'stem.1.running_mean',
    'conv2.weight': 'stem.3.weight', 'bn2.bias': 'stem.4.bias',
    'conv3.weight': 'stem.6.weight', 'bn3.running_var': 'stem.7.running_var',
    'layer1.0.conv1.weight': 'layer1.0.conv1.weight', 'layer4.0.bn3.bias': 'layer4.0.bn3.bias',
    'layer2.0.downsample.0.weight': 'layer2.0.downsample.1.weight',
    'layer2.0.downsample.1.running_var': 'layer2.0.downsample.2.running_var',
    'attnpool.k_proj.weight': 'attnpool.k_proj.weight',
    'attnpool.positional_embedding': 'attnpool.positional_embedding',
}


@pytest.mark.parametrize('kind, expected', [('vit', VIT), ('resnet', RESNET)])
def test_weights_land_under_the_published_names(kind, expected):
    state = make_tiny_clip(kind).visual.state_dict()
    renamed = openai_to_backbone(state, kind)
    for old, new in expected.items():
        value = state[old].t() if old == 'proj' else state[old]
        assert torch.equal(renamed[new].reshape(value.shape), value), old
    assert len(renamed) == len(state)


def test_class_token_and_positions_get_a_batch_dimension():
    renamed = openai_to_backbone(make_tiny_clip('vit').visual.state_dict(), 'vit')
    assert renamed['cls_token'].shape == (1, 1, 64)
    assert renamed['pos_embed'].shape == (1, 17, 64)
    assert renamed['proj.weight'].shape == (32, 64)


@pytest.mark.parametrize('kind, layers', [('vit', 3), ('resnet', (3, 4, 6, 3))])
def test_there_and_back_gives_the_same_tensors(kind, layers):
    state = make_tiny_clip(kind, layers=layers).visual.state_dict()
    back = backbone_to_openai(openai_to_backbone(state, kind), kind)
    assert back.keys() == state.keys()
    assert all(torch.equal(back[key], state[key]) for key in state)


def _visual_of(spec):
    """State dict of open_clip's own tower of a model, without memory."""
    config = open_clip.get_model_config(spec.open_clip_name.partition(':')[0])
    with torch.device('meta'):
        model = open_clip.CLIP(config['embed_dim'], open_clip.CLIPVisionCfg(**config['vision_cfg']),
                               open_clip.CLIPTextCfg(layers=1))
    return model.visual.state_dict()


@cases('name', NAMES)
def test_every_architecture_maps_one_to_one_and_has_the_spec_s_sizes(name):
    spec = get_spec(name)
    state = _visual_of(spec)
    renamed = openai_to_backbone(state, spec.kind)
    assert len(renamed) == len(state)
    assert {key: value.shape for key, value in backbone_to_openai(renamed, spec.kind).items()} == \
        {key: value.shape for key, value in state.items()}
    assert ClipCheckpoint('nowhere.pt', 'state dict', renamed).mismatches(spec) == []


@cases('name', NAMES)
def test_the_backbones_have_these_names_and_shapes(name):
    spec = get_spec(name)
    renamed = openai_to_backbone(_visual_of(spec), spec.kind)
    with torch.device('meta'):
        backbone = (ClipViT if spec.kind == 'vit' else ClipResNet)(arch=name)
    shapes = {key: value.shape for key, value in backbone.state_dict().items()}
    assert shapes == {key: value.shape for key, value in renamed.items()}


def test_weights_of_another_network_are_refused():
    state = dict(make_tiny_clip('vit').visual.state_dict())
    state['transformer.resblocks.0.ls_1.gamma'] = torch.ones(64)
    with pytest.raises(InputError, match=r'ls_1\.gamma'):
        openai_to_backbone(state, 'vit')
