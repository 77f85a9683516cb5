"""Names, sizes and activations of the known CLIP models."""

import open_clip
import pytest
import torch

from mmseg_maskclip.clip import (
    build_text_bank,
    get_spec,
    list_models,
    make_spec,
    read_clip_checkpoint,
)
from mmseg_maskclip.tinyworld.clip_sizes import TINY_RN, TINY_VIT, TINY_VIT8
from mmseg_maskclip.utils import InputError

from helpers.cases import cases

# name: kind, image, width, layers, heads, patch, D; text width, heads (CLIP paper, tables 19, 20)
OPENAI = {
    'RN50': ('resnet', 224, 64, (3, 4, 6, 3), 32, None, 1024, 512, 8),
    'RN101': ('resnet', 224, 64, (3, 4, 23, 3), 32, None, 512, 512, 8),
    'RN50x4': ('resnet', 288, 80, (4, 6, 10, 6), 40, None, 640, 640, 10),
    'RN50x16': ('resnet', 384, 96, (6, 8, 18, 8), 48, None, 768, 768, 12),
    'RN50x64': ('resnet', 448, 128, (3, 15, 36, 10), 64, None, 1024, 1024, 16),
    'ViT-B/32': ('vit', 224, 768, 12, 12, 32, 512, 512, 8),
    'ViT-B/16': ('vit', 224, 768, 12, 12, 16, 512, 512, 8),
    'ViT-L/14': ('vit', 224, 1024, 24, 16, 14, 768, 768, 12),
    'ViT-L/14@336px': ('vit', 336, 1024, 24, 16, 14, 768, 768, 12),
}
SHORT = {'ViT16': 'ViT-B/16', 'ViT32': 'ViT-B/32', 'ViT14': 'ViT-L/14',
         'ViT14-336': 'ViT-L/14@336px', 'RN50x16': 'RN50x16'}


@cases('name', OPENAI)
def test_openai_models_have_the_published_sizes(name):
    spec = get_spec(name)
    assert (spec.kind, spec.image_size, spec.width, spec.layers, spec.heads, spec.patch_size,
            spec.embed_dim, spec.text.width, spec.text.heads) == OPENAI[name]
    assert spec.activation == 'quick_gelu'
    # open_clip builds exact GELU for the name without it.
    assert spec.open_clip_name.endswith('-quickgelu')
    assert spec.ln_eps == 1e-5
    assert spec.text.layers == 12 and spec.text.context_length == 77
    assert [round(value * 255, 3) for value in spec.mean] == [122.771, 116.746, 104.094]
    assert [round(value * 255, 3) for value in spec.std] == [68.501, 66.632, 70.323]


@cases('name', OPENAI)
def test_openai_models_know_their_file_and_its_digest(name):
    spec = get_spec(name)
    assert spec.filename.endswith('.pt')
    assert len(spec.sha256) == 64
    assert spec.url.endswith(f'/{spec.sha256}/{spec.filename}')


@cases('alias, name', SHORT.items())
def test_short_names_of_the_earlier_tools(alias, name):
    assert get_spec(alias) == get_spec(name)
    assert get_spec(name).short_name == alias


@cases('alias', ['ViT-B-16', 'ViT-B-16-quickgelu', 'vit-b/16',
                 'ViT-B-16:openai', 'ViT-B-16-quickgelu:openai'])
def test_names_of_open_clip_mean_openai_s_weights_with_quick_gelu(alias):
    assert get_spec(alias).name == 'ViT-B/16'
    assert get_spec(alias).activation == 'quick_gelu'


def test_activation_and_statistics_come_from_the_weights_tag():
    laion = get_spec('ViT-L-14:laion2b_s32b_b82k')
    assert laion.activation == 'gelu'
    assert laion.mean == laion.std == (0.5, 0.5, 0.5)
    assert get_spec('ViT-B-16:laion2b_s34b_b88k').activation == 'gelu'
    assert get_spec('ViT-B-16:datacomp_xl_s13b_b90k').activation == 'gelu'
    assert get_spec('ViT-B-16:dfn2b').activation == 'quick_gelu'
    assert get_spec('ViT-B-16:metaclip_400m').activation == 'quick_gelu'


def test_sizes_of_other_architectures():
    huge = get_spec('ViT-H-14:laion2b_s32b_b79k')
    assert (huge.width, huge.layers, huge.heads, huge.patch_size) == (1280, 32, 16, 14)
    assert get_spec('ViT-g-14').mlp_ratio == pytest.approx(4.3637)
    assert '/' not in huge.short_name and ':' not in huge.short_name


def test_an_architecture_whose_weights_differ_asks_for_the_tag():
    with pytest.raises(InputError, match=r'ViT-H-14:TAG.*laion2b_s32b_b79k'):
        get_spec('ViT-H-14')


@cases('name, reason', [
    ('ViT-B-16-SigLIP', 'timm'), ('coca_ViT-B-32', 'CoCa'), ('ViT-M-16-alt', 'ls_init_value'),
    ('ViT-H-14-CLIPA', 'bert-base-uncased'), ('roberta-ViT-B-32', 'roberta-base'),
    ('ViT-H-14-worldwide', 'tokenizer')])
def test_towers_that_are_not_plain_are_refused_with_the_reason(name, reason):
    with pytest.raises(InputError, match=reason):
        get_spec(name)


def test_unknown_names_list_the_known_ones():
    with pytest.raises(InputError, match='ViT-B/15') as caught:
        get_spec('ViT-B/15')
    for name in list_models():
        assert name in str(caught.value)
    with pytest.raises(InputError, match=r'no_such_tag.*laion2b_s34b_b88k'):
        get_spec('ViT-B-16:no_such_tag')


def test_every_architecture_of_open_clip_has_an_answer():
    usable = 0
    for name in open_clip.list_models():
        try:
            usable += get_spec(name).width > 0
        except InputError as error:
            assert str(error)
    assert usable > 30


def test_embedded_models_match_the_sizes_they_are_trained_with():
    for name, cfg in (('TinyRN', TINY_RN), ('TinyViT', TINY_VIT), ('TinyViT8', TINY_VIT8)):
        with torch.device('meta'):
            model = open_clip.CLIP(cfg['embed_dim'], open_clip.CLIPVisionCfg(**cfg['vision_cfg']),
                                   open_clip.CLIPTextCfg(**cfg['text_cfg']), cfg['quick_gelu'])
        spec, vision, text = get_spec(name), cfg['vision_cfg'], cfg['text_cfg']
        assert spec.activation == ('quick_gelu' if cfg['quick_gelu'] else 'gelu')
        assert (spec.image_size, spec.width, spec.layers) == (
            vision['image_size'], vision['width'], vision['layers'])
        assert (spec.text.width, spec.text.heads, spec.text.layers, spec.text.context_length) == (
            text['width'], text['heads'], text['layers'], text['context_length'])
        pool = model.visual.attnpool if spec.kind == 'resnet' else \
            model.visual.transformer.resblocks[0].attn
        assert spec.heads == pool.num_heads
        assert spec.weights.endswith(spec.filename)


@pytest.mark.parametrize('name', ['TinyRN', 'TinyViT', 'TinyViT8'])
def test_embedded_weights_are_those_of_their_model(name):
    spec = get_spec(name)
    checkpoint = read_clip_checkpoint(spec.weights).check(spec)
    assert checkpoint.identify() == [name]
    bank = build_text_bank(checkpoint, spec, ['zebra', 'grass'], progress=False)
    assert bank.embeddings.shape == (2, 128)
    assert float(bank.embeddings[0] @ bank.embeddings[1]) < 0.9


def test_sizes_can_be_given_by_hand():
    spec = make_spec(width=64, layers=3, heads=4, patch_size=16, image_size=64, embed_dim=32,
                     kind='vit')
    assert (spec.width, spec.layers, spec.grid) == (64, 3, 4)
    resnet = make_spec(kind='resnet', width=8, layers=[1, 1, 1, 1], text={'width': 32, 'heads': 2})
    assert (resnet.layers, resnet.heads, resnet.text.width) == ((1, 1, 1, 1), 4, 32)


@cases('sizes, message', [
    ({'width': 64}, 'layers'),
    ({'width': 64, 'layers': 3, 'depth': 3}, 'depth'),
    ({'width': 64, 'layers': 3, 'kind': 'swin'}, 'swin'),
    ({'width': 64, 'layers': 3, 'heads': 5}, '5 heads'),
    ({'width': 64, 'layers': 3, 'kind': 'resnet'}, 'four for a resnet'),
    ({'width': 64, 'layers': (3, 4)}, 'layers'),
    ({'width': 64, 'layers': 3, 'activation': 'relu'}, 'relu'),
    ({'width': 0, 'layers': 3}, 'width of a CLIP model is 0, expected a whole number of at least'),
    ({'width': '64', 'layers': 3}, "width of a CLIP model is '64'"),
    ({'width': 64, 'layers': 3, 'ln_eps': 0}, 'ln_eps of a CLIP model is 0, expected a number ab'),
    ({'width': 64, 'layers': 3, 'embed_dim': 0.5}, 'embed_dim of a CLIP model is 0.5'),
    ({'width': 64, 'layers': 0}, 'layers of a CLIP vit is 0'),
    ({'width': 64, 'layers': None}, 'layers of a CLIP vit is None'),
    ({'width': 64, 'layers': (1, 1, 1, -1), 'kind': 'resnet'}, 'layers of a CLIP resnet is -1'),
    ({'width': 64, 'layers': 3, 'patch_size': None}, 'patch_size of a CLIP vit is None'),
    ({'width': 64, 'layers': 3, 'text': 512}, 'text of a CLIP model is 512, expected a dict'),
    ({'width': 64, 'layers': 3, 'text': {'heads': 0}}, 'heads of a CLIP text tower is 0'),
    ({'width': 64, 'layers': 3, 'text': {'depth': 2}}, 'depth')])
def test_sizes_that_do_not_fit_are_refused(sizes, message):
    with pytest.raises(InputError, match=message):
        make_spec(**sizes)
