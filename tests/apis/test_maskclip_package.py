"""The functions of the earlier ``maskclip`` package."""

from __future__ import annotations

import hashlib
import logging
import math
import re
import runpy
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.transforms.functional import normalize
from torchvision.utils import draw_segmentation_masks

import mmseg_maskclip.maskclip as maskclip
from mmseg_maskclip.clip import get_spec, read_clip_checkpoint
from mmseg_maskclip.models import ClipViT
from mmseg_maskclip.models.weights.tower import load_tower
from mmseg_maskclip.ops import dense_crf
from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.file_server import serve
from helpers.tiny_clip import make_tiny_clip, save_as
from helpers.tools import ROOT

WORDS = ['grass', 'zebra', 'sky']
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


@pytest.fixture(scope='module')
def tiny():
    """The embedded ResNet and its transform."""
    return maskclip.load('TinyRN', device='cpu')


@pytest.fixture(scope='module')
def reference():
    """A random CLIP of open_clip, whose heads are as wide as CLIP's."""
    return make_tiny_clip('vit', heads=1, layers=2, text=dict(heads=1, layers=3))


@pytest.fixture(scope='module')
def file(reference, tmp_path_factory):
    """Its weights, as OpenAI publishes them."""
    return save_as(reference, tmp_path_factory.mktemp('clip') / 'own.pt', 'openai')


def _picture(height=90, width=140):
    noise = np.random.RandomState(0).randint(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def test_the_example_of_the_readme(caplog):
    """Also with class names alone, by the model that was loaded last."""
    model, preprocess = maskclip.load('TinyRN', device='cpu')
    image = preprocess(_picture()).unsqueeze(0)
    assert image.shape == (1, 3, 128, 128) and model.dtype == torch.float32
    names = ['background', *WORDS]
    with caplog.at_level(logging.INFO, logger='mmseg'):
        alone = maskclip.generate_text_embeddings(names)
    assert 'TinyRN, the model that was loaded last' in caplog.text
    embeddings = maskclip.generate_text_embeddings(model, WORDS, 'maskclip', device='cpu')
    assert torch.equal(alone, embeddings) and names[0] == 'background'
    model.initialize_text_embeddings(embeddings.double())
    mask = model(image)
    assert mask.shape == (1, 3, 4, 4)
    whole, patches = model.encode_image(image)
    assert (whole.shape, patches.shape) == ((1, 128), (1, 16, 128))
    # exp(logit_scale) of the file.
    expected = math.exp(2.8387) * torch.einsum('bnd,td->btn', patches, embeddings)
    torch.testing.assert_close(mask.flatten(2), expected, rtol=1e-3, atol=1e-3)
    prompts = maskclip.tokenize(['a photo of grass', 'a zebra'])
    assert model(image, prompts).shape == model(image, [prompts[:1], prompts[1:]]).shape
    torch.testing.assert_close(model(image, prompts), model(image, [prompts[:1], prompts[1:]]))


def test_the_example_of_the_documentation(tmp_path, monkeypatch):
    Image.fromarray(scene(0, 1).image).save(tmp_path / 'scene.png')
    monkeypatch.chdir(tmp_path)
    text = (ROOT / 'docs' / 'maskclip_package.md').read_text(encoding='utf-8')
    first, second = re.findall('```python\n(.*?)```', text, re.DOTALL)
    names: dict = {}
    exec(first, names)
    assert names['logits'].shape[:2] == (1, 2) and names['drawing'].shape == (256, 256, 3)
    exec(second, names)
    assert names['refined'].shape == (1, 2, *names['image'].shape[2:])


@torch.no_grad()
def test_towers_are_those_of_open_clip(reference, file):
    model, _ = maskclip.load(file, device='cpu')
    image = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(model.encode_image(image, normalize=False)[0],
                               reference.encode_image(image), rtol=1e-4, atol=1e-4)
    tokens = maskclip.tokenize(['a dog', 'two cats of another house'])
    expected = reference.encode_text(tokens.long())
    for layer in (None, -1, 2):
        torch.testing.assert_close(model.encode_text(tokens, False, layer), expected, rtol=1e-4,
                                   atol=1e-5)
    blocks, found = reference.transformer.resblocks, {}
    try:
        for count in (2, 1):
            reference.transformer.resblocks = blocks[:count]
            found[count] = F.normalize(reference.encode_text(tokens.long()), dim=-1)
    finally:
        reference.transformer.resblocks = blocks
    for layer, count in ((-2, 2), (1, 2), (0, 1), (-3, 1)):
        torch.testing.assert_close(model.encode_text(tokens, feature_layer=layer), found[count],
                                   rtol=1e-4, atol=1e-5)
    rows = maskclip.generate_text_embeddings(model, ['dog', 'cat'], ['a {}.', '{}'],
                                             feature_layer=-2)
    assert not torch.allclose(rows, maskclip.generate_text_embeddings(
        model, ['dog', 'cat'], ['a {}.', '{}']), atol=1e-3)
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(2))


def test_images_of_any_size_in_every_mode(file):
    images = torch.randn(2, 3, 70, 100, generator=torch.Generator().manual_seed(0))
    text, found = F.normalize(torch.eye(3, 32) + 0.1, dim=1), []
    for mode in maskclip.DENSE_MODES:
        model, preprocess = maskclip.load(file, 'cpu', input_resolution=(48, 80), dense_mode=mode)
        assert preprocess(_picture()).shape == (3, 48, 80)
        model.initialize_text_embeddings(text)
        logits = model(images)
        # The earlier package leaves out what is beyond the last whole patch of 16 pixels.
        grid = (4, 6) if mode == 'akanametov' else (5, 7)
        assert logits.shape == (2, 3, *grid)
        whole, patches, none = model.encode_features(images)
        assert none is None
        unit = torch.allclose(patches.norm(dim=-1), torch.ones(patches.shape[:2]))
        assert unit == (mode != 'akanametov')
        scores, again = model.decode_features(whole, patches, text, grid)
        assert scores.shape == (2, 3) and torch.equal(again, logits)
        found.append(logits[..., :4, :6])
        if mode == 'paper':
            tower = ClipViT(asdict(model.visual.spec), fidelity='paper')
            load_tower(tower, read_clip_checkpoint(file))
            features = F.normalize(tower.dense(images).features, dim=1)
            torch.testing.assert_close(whole[0] @ text[0], F.normalize(
                tower.encode_image(images), dim=1)[0] @ text[0])
            torch.testing.assert_close(patches.mT.unflatten(2, grid), features)
    assert not torch.equal(found[0], found[1])
    assert not torch.equal(found[0].argmax(dim=1), found[2].argmax(dim=1))


def test_a_state_dict_brings_its_classes_and_its_table(reference, file, tmp_path):
    model, _ = maskclip.load(file, 'cpu', dataset='pascal_voc', templates='base')
    assert model.names == tuple(maskclip.get_classes('voc'))
    image = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    torch.save(model.state_dict(), tmp_path / 'own.pth')
    again, _ = maskclip.load(tmp_path / 'own.pth', 'cpu')
    assert torch.equal(again(image), model(image))
    other, _ = maskclip.load(file, 'cpu')
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(image), model(image))
    # What the earlier package saves at 96 pixels: its own names, a larger table.
    state = dict(reference.state_dict())
    table = state['visual.positional_embedding']
    planes = F.interpolate(table[1:].T.reshape(1, -1, 4, 4), (6, 6), mode='bicubic')
    state['visual.positional_embedding'] = torch.cat([table[:1], planes[0].flatten(1).T])
    torch.save({**state, 'text_embeddings': model.text_embeddings}, tmp_path / 'theirs.pth')
    larger, preprocess = maskclip.load(tmp_path / 'theirs.pth', 'cpu')
    assert preprocess(_picture()).shape == (3, 96, 96) and larger.visual.input_resolution == 96
    image = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(larger(image), model(image), rtol=1e-4, atol=1e-4)


def test_a_named_model_is_downloaded_once_and_checked(reference, file, tmp_path, monkeypatch,
                                                      caplog):
    content = file.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    spec = replace(get_spec('ViT-B/16'), **{
        key: value for key, value in reference.tiny_sizes.items()
        if key in ('width', 'layers', 'heads', 'image_size', 'embed_dim', 'patch_size')},
        text=replace(get_spec('ViT-B/16').text, width=64, heads=1, layers=3), sha256=sha256)
    monkeypatch.setattr('mmseg_maskclip.apis.maskclip_package.loading.get_spec', lambda name: spec)
    monkeypatch.setenv('HOME', str(tmp_path))
    with serve() as server:
        monkeypatch.setenv('MASKCLIP_BASE_URL', server.url)
        address = f'/{sha256}/ViT-B-16.pt'
        server.files[address] = content
        for _ in range(2):
            maskclip.load('ViT-B/16', device='cpu')
        assert server.requests == [(address, None)]
        cached = tmp_path / '.cache' / 'maskclip' / 'ViT-B-16.pt'
        cached.write_bytes(b'another')
        maskclip.load('ViT-B/16', device='cpu')
        assert cached.read_bytes() == content and 'downloaded again' in caplog.text
        server.files[address] = content[:-1] + b'!'
        cached.unlink()
        with pytest.raises(InputError, match=r"damaged.*maskclip\.load\('ViT-B/16'\)"):
            maskclip.load('ViT-B/16', device='cpu')


def test_classes_and_colours_are_aligned():
    sizes = dict(voc=20, context=59, stuff=171)
    assert maskclip.available_datasets() == maskclip.available_palette() == list(sizes)
    for name, count in sizes.items():
        assert len(maskclip.get_classes(name)) == len(maskclip.get_palette(name)) == count
    voc, palette = maskclip.get_classes('pascal-voc'), maskclip.get_palette('pascal_voc')
    # VOC's own colour map, from its first class on.
    assert (voc[0], palette[0], voc[19], palette[19]) == (
        'airplane', [128, 0, 0], 'tv monitor', [0, 64, 128])
    stuff = maskclip.get_classes('coco_stuff')
    assert (stuff[84], stuff[91], stuff[168]) == ('building', 'tile ceiling', 'blind window')
    voc.clear()
    assert maskclip.get_classes('voc')[10] == 'dining table'


def test_drawings_are_those_of_torchvision():
    image = Image.fromarray(scene(0, 1).image)
    out = torch.randn(1, 20, 5, 7, generator=torch.Generator().manual_seed(0))
    before = np.random.get_state()[1].copy()
    for settings in (dict(dataset='pascal_voc'), dict(num_classes=20, random_state=1)):
        plain, drawn = maskclip.draw_segmentation(image.convert('RGBA'), out, **settings)
        assert np.array_equal(plain.numpy(), np.asarray(image)) and drawn.dtype == torch.uint8
        colours = maskclip.get_palette('voc') if 'dataset' in settings else \
            np.random.RandomState(1).randint(0, 255, (20, 3)).tolist()
        labels = F.interpolate(out, plain.shape[:2], mode='bilinear').argmax(dim=1)
        masks = labels == torch.arange(20)[:, None, None]
        expected = draw_segmentation_masks(plain.permute(2, 0, 1), masks,
                                           colors=[tuple(one) for one in colours])
        difference = expected.permute(1, 2, 0).int() - drawn.int()
        assert difference.abs().max() <= 1
    assert np.array_equal(np.random.get_state()[1], before)


def test_the_crf_undoes_the_statistics_of_clip():
    picture = torch.from_numpy(scene(0, 1).image[40:60, 40:66].copy()).permute(2, 0, 1)
    image = normalize(picture / 255, CLIP_MEAN, CLIP_STD)
    logits = torch.randn(2, 4, 20, 26, generator=torch.Generator().manual_seed(0))
    found = maskclip.DenseCRF(max_iter=3)(logits, image.expand(2, -1, -1, -1))
    expected = torch.stack([dense_crf(one.softmax(dim=0), picture.float(), 3) for one in logits])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
    other = maskclip.DenseCRF(3, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    assert not torch.allclose(other(logits, image.expand(2, -1, -1, -1)), expected, atol=1e-3)


def test_tokens_are_clips():
    tokens = maskclip.tokenize('dog')
    assert (tokens.dtype, tokens.shape) == (torch.int32, (1, 77))
    assert tokens[0, :4].tolist() == [49406, 1929, 49407, 0]
    long = 'dog ' * 80
    cut = maskclip.tokenize(['cat', long], truncate=True)
    assert cut[1, 75:].tolist() == [1929, 49407] and cut[0, 2] == 49407
    assert maskclip.tokenize('dog ' * 75)[0, 76] == 49407


def test_torch_hub_knows_the_models(tiny):
    names = set(runpy.run_path(str(ROOT / 'hubconf.py')))
    assert {'RN50', 'RN101', 'RN50x4', 'RN50x16', 'RN50x64', 'ViT_B_32', 'ViT_B_16', 'ViT_L_14',
            'ViT_L_14_336px', 'TinyRN', 'TinyViT', 'TinyViT8', 'tokenize'} <= names
    model, preprocess = torch.hub.load(str(ROOT), 'TinyRN', source='local', device='cpu')
    image = preprocess(_picture())[None]
    tokens = torch.hub.load(str(ROOT), 'tokenize', source='local')(['sky'])
    assert torch.equal(model(image, tokens), tiny[0](image, tokens))


@cases('call, words', [
    (lambda model: maskclip.load('RN51'), 'neither a file nor a known model'),
    (lambda model: maskclip.load('TinyRN', dense_mode='dense'), 'dense_mode'),
    (lambda model: maskclip.load('TinyRN', device='tpu'), 'device'),
    (lambda model: maskclip.load('TinyRN', dataset='ade'), 'expected one of voc, pascal_voc'),
    (lambda model: maskclip.load('TinyRN', templates=None), "'maskclip', 'base'"),
    (lambda model: maskclip.load('TinyRN', templates=['dog']), 'exactly one'),
    (lambda model: maskclip.load('TinyRN', input_resolution=31), 'one cell of TinyRN'),
    (lambda model: maskclip.load('TinyRN', input_resolution='512'), 'input_resolution'),
    (lambda model: maskclip.load('TinyRN', device='cpu', dataset='voc'), "'airplane'"),
    (lambda model: maskclip.get_palette(3), 'dataset is 3'),
    (lambda model: maskclip.tokenize('dog ' * 76), 'more than the 77 tokens'),
    (lambda model: maskclip.tokenize([]), 'expected a prompt'),
    (lambda model: model(torch.zeros(1, 3, 64, 64)), 'initialize_text_embeddings'),
    (lambda model: model(torch.zeros(3, 64, 64)), r'expected \(B, 3, H, W\)'),
    (lambda model: model(torch.zeros(1, 3, 64, 64), ['a dog']), 'tokenize'),
    (lambda model: model.encode_text(maskclip.tokenize('a spaceship')), "'spaceship'"),
    (lambda model: model.encode_text(maskclip.tokenize('sky ' * 40)), 'reads at most 32'),
    (lambda model: model.encode_text(maskclip.tokenize('sky'), feature_layer=2), 'from -2 to 1'),
    (lambda model: model.encode_text(maskclip.tokenize('sky'), feature_layer=-3), 'from -2 to 1'),
    (lambda model: model.initialize_text_embeddings(torch.zeros(2, 5)), r'\(classes, 128\)'),
    (lambda model: model.initialize_text_embeddings(torch.zeros(2, 128), ['a']), 'names has 1'),
    (lambda model: model.decode_features(torch.zeros(1, 128), torch.zeros(1, 15, 128),
                                         torch.zeros(2, 128)), '15 patches are no grid'),
    (lambda model: maskclip.generate_text_embeddings(model, 'sky'), 'a list of class names'),
    (lambda model: maskclip.generate_text_embeddings(model, []), 'at least one class'),
    (lambda model: maskclip.generate_text_embeddings('TinyRN', ['sky']), 'what load'),
    (lambda model: maskclip.draw_segmentation(_picture(), torch.zeros(2, 3, 4, 4)), 'one picture'),
    (lambda model: maskclip.draw_segmentation(_picture(), torch.zeros(1, 3, 4, 4)), 'no colours'),
    (lambda model: maskclip.draw_segmentation(_picture(), torch.zeros(1, 60, 4, 4), 'context'),
     '59 colours'),
    (lambda model: maskclip.DenseCRF(bi_rgb_std=0), 'bi_rgb_std'),
    (lambda model: maskclip.DenseCRF(mean=(0.5,)), 'mean is'),
    (lambda model: maskclip.DenseCRF()(torch.zeros(1, 2, 8, 8), torch.zeros(1, 3, 8, 9)),
     'resized to'),
])
def test_bad_input_is_one_sentence(call, words, tiny):
    with pytest.raises(InputError, match=words):
        call(tiny[0])


def test_without_a_model_class_names_alone_are_refused(monkeypatch):
    monkeypatch.setattr('mmseg_maskclip.apis.maskclip_package.text._LAST', {})
    with pytest.raises(InputError, match='no model is loaded'):
        maskclip.generate_text_embeddings(['a dog'])
    with pytest.raises(TypeError, match='jit'):
        maskclip.load('TinyRN', jit=True)
