"""Names of SegFormer's authors against mmseg's backbone."""

import mmseg_maskclip  # noqa: F401, I001  (makes mmseg importable)
import pytest
import torch
from mmseg.models import build_backbone

from mmseg_maskclip.models.weights.mit import convert_mit
from mmseg_maskclip.utils import InputError

B0 = dict(embed_dims=32, num_layers=[2, 2, 2, 2], num_heads=[1, 2, 5, 8],
          sr_ratios=[8, 4, 2, 1])
WIDTHS = (32, 64, 160, 256)


def authors_b0():
    """The published names and shapes of mit_b0.pth, with random values."""
    shapes = {}
    before = 3
    for stage, (width, reduction) in enumerate(zip(WIDTHS, B0['sr_ratios']), 1):
        kernel = 7 if stage == 1 else 3
        shapes[f'patch_embed{stage}.proj'] = (width, before, kernel, kernel)
        shapes[f'patch_embed{stage}.norm'] = shapes[f'norm{stage}'] = (width,)
        for index in range(2):
            block = f'block{stage}.{index}'
            shapes[f'{block}.norm1'] = shapes[f'{block}.norm2'] = (width,)
            shapes[f'{block}.attn.q'] = shapes[f'{block}.attn.proj'] = (width, width)
            shapes[f'{block}.attn.kv'] = (2 * width, width)
            if reduction > 1:
                shapes[f'{block}.attn.sr'] = (width, width, reduction, reduction)
                shapes[f'{block}.attn.norm'] = (width,)
            shapes[f'{block}.mlp.fc1'] = (4 * width, width)
            shapes[f'{block}.mlp.dwconv.dwconv'] = (4 * width, 1, 3, 3)
            shapes[f'{block}.mlp.fc2'] = (width, 4 * width)
        before = width
    shapes['head'] = (1000, 256)
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in shapes.items():
        state[f'{name}.weight'] = torch.randn(shape, generator=generator)
        state[f'{name}.bias'] = torch.randn(shape[0], generator=generator)
    return state


@pytest.fixture(scope='module')
def backbone():
    return build_backbone(dict(type='MixVisionTransformer', num_stages=4, **B0)).eval()


def test_every_parameter_finds_its_place(backbone):
    state = authors_b0()
    backbone.load_state_dict(convert_mit(state), strict=True)
    own = backbone.state_dict()
    assert torch.equal(own['layers.2.0.projection.weight'], state['patch_embed3.proj.weight'])
    assert torch.equal(own['layers.0.1.1.ffn.layers.4.weight'][..., 0, 0],
                       state['block1.1.mlp.fc2.weight'])
    assert torch.equal(own['layers.3.2.bias'], state['norm4.bias'])


def test_attention_is_that_of_the_authors(backbone):
    """Queries, keys and values by hand, as SegFormer's paper has them (Sec. 3.1)."""
    state = authors_b0()
    backbone.load_state_dict(convert_mit(state))
    name, heads, width = 'block4.1.attn', 8, 256
    tokens = torch.randn(1, 12, width, generator=torch.Generator().manual_seed(1))

    def linear(part):
        return tokens @ state[f'{name}.{part}.weight'].T + state[f'{name}.{part}.bias']

    def split(values):
        return values.view(1, 12, heads, width // heads).transpose(1, 2)

    queries, (keys, values) = split(linear('q')), map(split, linear('kv').split(width, dim=2))
    weights = (queries @ keys.transpose(2, 3) / (width // heads) ** 0.5).softmax(dim=3)
    mixed = (weights @ values).transpose(1, 2).reshape(1, 12, width)
    expected = mixed @ state[f'{name}.proj.weight'].T + state[f'{name}.proj.bias']
    found = backbone.layers[3][1][1].attn(tokens, (3, 4), identity=torch.zeros_like(tokens))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(('change', 'words'), [
    ({'backbone.layers.0.weight': torch.ones(1)}, 'backbone.layers.0.weight is not a parameter'),
    ({'block1.0.attn.qkv.weight': torch.ones(1)}, 'qkv.weight is not a parameter'),
])
def test_other_weights_are_refused(change, words):
    with pytest.raises(InputError, match=words):
        convert_mit({**authors_b0(), **change})


def test_incomplete_weights_are_refused():
    state = authors_b0()
    del state['block2.0.attn.kv.bias']
    with pytest.raises(InputError, match=r'block2.0.attn.kv.bias is missing'):
        convert_mit(state)
    with pytest.raises(InputError, match='no weights'):
        convert_mit({'head.weight': torch.ones(1000, 256)})


def test_tool_writes_what_a_student_takes(call_tool, tmp_path):
    torch.save({'state_dict': authors_b0()}, tmp_path / 'mit_b0.pth')
    target = tmp_path / 'pretrain' / 'mit_b0_weight.pth'
    done = call_tool('tools/model_converters/mit2mmseg.py', tmp_path / 'mit_b0.pth', target)
    assert done.returncode == 0, done.stderr
    written = torch.load(target, weights_only=True)
    assert written['layers.0.1.0.attn.attn.in_proj_weight'].shape == (96, 32)
    done = call_tool('tools/model_converters/mit2mmseg.py', target, tmp_path / 'again.pth')
    assert done.returncode == 2
    assert 'is not a parameter of a Mix Transformer' in done.stderr
    assert not (tmp_path / 'again.pth').exists()
