"""Blocks of a ViT with packed weights beside torch's own linear layers."""

import copy
import pickle
import platform
from contextlib import nullcontext
from unittest import mock

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mmseg_maskclip.engine.cost import count_flops
from mmseg_maskclip.models import ClipViT
from mmseg_maskclip.models.backbones.packing import PackedWeights

#: As narrow as a tower is whose weights are packed.
ARCH = dict(width=512, layers=2, heads=8, patch_size=16, image_size=32, embed_dim=8)
# Four of the first block (queries, keys and values; output; two of the feed-forward part), four of
# the last one for the patches, one for the keys, five for the class token.
PRODUCTS = 14

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available() or platform.machine() not in ('x86_64', 'AMD64'),
    reason='oneDNN on x86 alone')


class _Packed(TorchDispatchMode):
    """Counts products with packed weights."""

    def __init__(self):
        super().__init__()
        self.products = self.packings = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.products += func is torch.ops.mkldnn._linear_pointwise.default
        self.packings += func is torch.ops.mkldnn._reorder_linear_weight.default
        return func(*args, **(kwargs or {}))


def _plain():
    return mock.patch.object(PackedWeights, 'enabled', False)


def _tower(seed=0, **kwargs):
    torch.manual_seed(seed)
    tower = ClipViT(arch=ARCH, fidelity='clip', **kwargs)
    for parameter in tower.parameters():
        torch.nn.init.normal_(parameter.data, std=0.03)
    return tower


def _read(tower, image):
    """Dense features and image embedding, and how many products were packed."""
    with _Packed() as packed:
        found = tower.dense(image, keys=True, image=True)
    return found, packed


def _assert_plain(found, tower, image):
    with _plain():
        expected, packed = _read(tower, image)
    assert not packed.products
    for ours, theirs in zip(found[:3], expected):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


IMAGE = torch.randn(2, 3, 50, 70, generator=torch.Generator().manual_seed(1))


def test_a_frozen_tower_is_packed_once_and_equals_a_plain_one():
    tower = _tower()
    found, first = _read(tower, IMAGE)
    assert first.products == PRODUCTS and first.packings
    _assert_plain(found, tower, IMAGE)
    again, second = _read(tower, IMAGE[:1, :, :40])
    assert second.products == first.products and not second.packings
    _assert_plain(again, tower, IMAGE[:1, :, :40])


@pytest.mark.parametrize('change', [
    lambda tower, other: tower.load_state_dict(other.state_dict()),
    lambda tower, other: tower.load_state_dict(other.state_dict(), assign=True),
    lambda tower, other: tower.layers.load_state_dict(other.layers.state_dict()),
    lambda tower, other: tower.half().float(),
    lambda tower, other: tower.layers[0].ffn.layers[1].weight.mul_(3),
], ids=['load', 'assign', 'load a part', 'cast', 'in place'])
def test_packed_weights_follow_the_weights(change):
    tower = _tower()
    before, _ = _read(tower, IMAGE)
    change(tower, _tower(seed=1))
    found, packed = _read(tower, IMAGE)
    assert packed.packings and not torch.equal(found.features, before.features)
    _assert_plain(found, tower, IMAGE)


@pytest.mark.parametrize('copied', [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))],
                         ids=['copy', 'pickle'])
def test_a_copy_of_a_tower_has_weights_of_its_own(copied):
    tower = _tower()
    before, _ = _read(tower, IMAGE)
    other = copied(tower)
    other.layers[0].ffn.layers[1].weight.mul_(3)
    _assert_plain(_read(other, IMAGE)[0], other, IMAGE)
    assert torch.equal(_read(tower, IMAGE)[0].features, before.features)
    assert other.state_dict().keys() == tower.state_dict().keys()


@pytest.mark.parametrize('trained', ['weights', 'input'])
def test_what_trains_has_its_gradients(trained):
    tower, image = _tower(frozen=trained == 'input'), IMAGE.clone()
    image.requires_grad_(trained == 'input')
    leaf = image if trained == 'input' else tower.layers[0].ffn.layers[1].weight
    gradients = []
    for context in (nullcontext(), _plain()):
        with context, _Packed() as packed:
            gradients += torch.autograd.grad(tower.dense(image).features.sum(), leaf)
        assert not packed.products
    assert gradients[0].any() and torch.equal(*gradients)
    with torch.no_grad():
        # Weights that train change at every step.
        assert bool(_read(tower, image)[1].products) == (trained == 'input')


def test_weights_without_a_version_are_packed():
    with torch.inference_mode():
        tower = _tower()
        found, packed = _read(tower, IMAGE)
        assert packed.products
        _assert_plain(found, tower, IMAGE)


@pytest.mark.parametrize('name', ['autocast', 'half', 'narrow', 'double', 'trained'])
def test_other_layers_are_left_to_torch(name):
    dtype = dict(half=torch.bfloat16, double=torch.float64).get(name, torch.float32)
    width = 128 if name == 'narrow' else 512
    x, weight = torch.randn(3, width, dtype=dtype), torch.randn(width, width, dtype=dtype)
    weight.requires_grad_(name == 'trained')
    weights = PackedWeights()
    with _Packed() as packed, torch.autocast('cpu', enabled=name == 'autocast'):
        found = weights.linear('a', x, weight, None)
        expected = torch.nn.functional.linear(x, weight)
    assert not packed.products and torch.equal(found, expected)


@pytest.mark.filterwarnings('ignore:TF32')
def test_the_switch_of_torch_turns_it_off():
    tower = _tower()
    with torch.backends.mkldnn.flags(enabled=False):
        assert not _read(tower, IMAGE)[1].products
    assert _read(tower, IMAGE)[1].products


def test_graphs_have_ordinary_layers():
    """Exported, traced and compiled ones: they run elsewhere, or are packed by their compiler."""
    block, tokens, graphs = _tower().layers[0], torch.randn(1, 5, 512), []
    exported = torch.export.export(block, (tokens,))
    torch.compile(block, fullgraph=True, backend=lambda module, _: graphs.append(
        str(module.graph)) or module.forward)(tokens)
    graphs += [str(exported.graph), str(torch.jit.trace(block, tokens).inlined_graph)]
    for graph in graphs:
        assert 'linear' in graph and 'mkldnn' not in graph
    assert len(graphs) == 3
    torch.testing.assert_close(exported.module()(tokens), block(tokens), rtol=1e-4, atol=1e-5)


def test_operations_of_packed_layers_are_counted():
    block, tokens = _tower().layers[0], torch.randn(1, 5, 512)
    assert count_flops(lambda: block(tokens)) == 2 * 5 * 12 * 512 ** 2 + 2 * 2 * 5 * 5 * 512
