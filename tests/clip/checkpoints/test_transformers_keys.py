"""CLIP weights under the names of transformers' CLIPModel."""

import json

import pytest
import torch

from mmseg_maskclip.clip import TextEncoder, make_spec, read_clip_checkpoint
from mmseg_maskclip.models.backbones import ClipViT
from mmseg_maskclip.models.weights.tower import load_tower
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.tiny_clip import make_tiny_clip, save_as, spec_of

_NAMES = (('visual.class_embedding', 'vision_model.embeddings.class_embedding'),
          ('visual.conv1.', 'vision_model.embeddings.patch_embedding.'),
          ('visual.positional_embedding', 'vision_model.embeddings.position_embedding.weight'),
          ('visual.ln_pre', 'vision_model.pre_layrnorm'),
          ('visual.ln_post', 'vision_model.post_layernorm'),
          ('visual.transformer.resblocks', 'vision_model.encoder.layers'),
          ('token_embedding', 'text_model.embeddings.token_embedding'),
          ('positional_embedding', 'text_model.embeddings.position_embedding.weight'),
          ('ln_final', 'text_model.final_layer_norm'),
          ('transformer.resblocks', 'text_model.encoder.layers'))
_IN_BLOCK = (('ln_1', 'layer_norm1'), ('ln_2', 'layer_norm2'), ('mlp.c_fc', 'mlp.fc1'),
             ('mlp.c_proj', 'mlp.fc2'), ('attn.out_proj', 'self_attn.out_proj'))


def _renamed(state):
    """A state dict of open_clip as transformers would save it."""
    found = {'vision_model.embeddings.position_ids': torch.arange(17)[None]}
    for key, value in state.items():
        for old, new in _NAMES:
            if key.startswith(old):
                key = new + key[len(old):]
                break
        for old, new in _IN_BLOCK:
            key = key.replace(old, new)
        if '.attn.in_proj_' in key:
            for part, rows in zip('qkv', value.chunk(3)):
                found[key.replace('.attn.in_proj_', f'.self_attn.{part}_proj.')] = rows.clone()
        elif key in ('visual.proj', 'text_projection'):
            name = 'visual_projection' if key == 'visual.proj' else key
            found[f'{name}.weight'] = value.t().contiguous()
        else:
            found[key] = value
    return found


@pytest.fixture(scope='module')
def clip():
    return make_tiny_clip('vit', seed=2)


@pytest.mark.parametrize('prefix', ['', 'clip.', 'model.clip.'])
def test_both_towers_are_those_of_the_model(clip, prefix, tmp_path):
    expected = read_clip_checkpoint(save_as(clip, tmp_path / 'open.pt', 'state_dict'))
    state = {f'{prefix}{key}': value for key, value in _renamed(clip.state_dict()).items()}
    # What a decoder on top of the towers adds.
    torch.save({**state, 'decoder.film_mul.weight': torch.ones(1)}, tmp_path / 'hf.bin')
    found = read_clip_checkpoint(tmp_path / 'hf.bin')
    assert found.form == 'state dict of transformers'
    for part, wanted in ((found.visual, expected.visual), (found.text, expected.text)):
        assert part.keys() == wanted.keys()
        assert all(torch.equal(part[key], wanted[key]) for key in wanted)
    assert found.check(spec_of(clip)) is found


def test_the_image_tower_alone_is_enough_for_labels(clip, tmp_path):
    state = {key: value for key, value in _renamed(clip.state_dict()).items()
             if not key.startswith('text_')}
    torch.save(state, tmp_path / 'vision.bin')
    found = read_clip_checkpoint(tmp_path / 'vision.bin')
    assert found.text == {}
    load_tower(ClipViT(clip.tiny_sizes), found)


@cases('change, phrase', [
    ({'vision_model.head.probe': torch.ones(1)}, r'vision_model\.head\.probe is not a weight of'),
    ({'vision_model.encoder.layers.0.mlp.gate.weight': torch.ones(1)}, r'mlp\.gate\.weight is not'),
    ({'vision_model.encoder.layers.1.self_attn.k_proj.bias': None}, r'\.1\.self_attn\.k_proj\.bias '
     'is not: these are not the whole'),
    ({'vision_model.encoder.layers.1.layer_norm1.bias': None}, None)])
def test_other_towers_and_parts_of_one_are_refused(clip, change, phrase, tmp_path):
    state = {**_renamed(clip.state_dict()), **change}
    torch.save({key: value for key, value in state.items() if value is not None},
               tmp_path / 'x.bin')
    if phrase:
        with pytest.raises(InputError, match=rf'x\.bin cannot be used: .*{phrase}'):
            read_clip_checkpoint(tmp_path / 'x.bin')
    else:
        with pytest.raises(InputError, match=r'1 of \d+ parameters are missing .*layers\.1\.ln1'):
            load_tower(ClipViT(clip.tiny_sizes), read_clip_checkpoint(tmp_path / 'x.bin'))


@pytest.mark.slow
@pytest.mark.parametrize('act', ['quick_gelu', 'gelu'])
@torch.no_grad()
def test_embeddings_equal_those_of_transformers(act, tmp_path):
    from transformers import CLIPConfig, CLIPModel

    torch.manual_seed(0)
    tower = dict(hidden_size=64, intermediate_size=256, num_attention_heads=4, hidden_act=act)
    model = CLIPModel(CLIPConfig(
        text_config=dict(tower, num_hidden_layers=2),
        vision_config=dict(tower, num_hidden_layers=3, image_size=64, patch_size=16),
        projection_dim=32)).eval()
    for name, value in model.named_parameters():
        # Gains and biases away from their start, so that a mix-up shows.
        if value.dim() < 2 and name != 'logit_scale':
            value.add_(0.1 * torch.randn_like(value))
    model.save_pretrained(tmp_path)
    said = json.loads((tmp_path / 'config.json').read_text())['vision_config']['hidden_act']
    sizes = dict(width=64, layers=3, heads=4, patch_size=16, image_size=64, embed_dim=32,
                 activation=said, text=dict(width=64, heads=4, layers=2))
    spec = make_spec(**sizes)
    checkpoint = read_clip_checkpoint(tmp_path / 'model.safetensors')
    backbone = ClipViT(sizes, fidelity='clip', input_mean=[255 * value for value in spec.mean],
                       input_std=[255 * value for value in spec.std])
    load_tower(backbone, checkpoint)
    image = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(
        backbone.encode_image(image), _output(model.get_image_features(pixel_values=image)),
        rtol=1e-4, atol=1e-5)
    encoder = TextEncoder(checkpoint, spec)
    tokens = encoder.tokenize(['a photo of a cat.', 'a bad photo of the traffic light.'])
    torch.testing.assert_close(
        encoder(tokens), _output(model.get_text_features(input_ids=tokens)), rtol=1e-4, atol=1e-5)


def _output(found):
    """Newer versions wrap the embedding."""
    return found if isinstance(found, torch.Tensor) else found.pooler_output
