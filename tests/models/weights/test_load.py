from dataclasses import replace

import numpy as np
import pytest
import torch
from mmcv import Config
from safetensors.torch import save_file

from mmseg_maskclip.clip import (
    TextBank,
    bank_path,
    build_text_bank,
    load_vocabulary,
    read_clip_checkpoint,
)
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.tiny_clip import FORMS, make_tiny_clip, save_as, spec_of

NAMES = ['cat', 'dog', 'grass']


def _sizes(model):
    spec = spec_of(model)
    return {key: getattr(spec, key) for key in (
        'name', 'short_name', 'kind', 'width', 'layers', 'heads', 'patch_size', 'image_size',
        'embed_dim', 'activation')} | {'text': dict(model.tiny_sizes['text'])}


def _segmentor(clip, **head):
    sizes = _sizes(clip)
    kind = 'ClipViT' if sizes['kind'] == 'vit' else 'ClipResNet'
    return build_model(Config(dict(model=dict(
        type='MaskClip', backbone=dict(type=kind, arch=sizes, fidelity='clip'),
        decode_head=dict(type='MaskClipHead', text_channels=32,
                         **{'num_classes': len(NAMES), 'vocabulary': NAMES, **head}),
        test_cfg=dict(mode='whole'))))).eval()


@torch.no_grad()
def _scores(model):
    image = torch.randn(1, 3, 96, 64, generator=torch.Generator().manual_seed(0))
    return model.score_grid(image, [])


@pytest.fixture(scope='module', params=['vit', 'resnet'])
def clip(request):
    return make_tiny_clip(request.param)


@pytest.fixture(scope='module')
def reference(clip, tmp_path_factory):
    """A segmentor with the weights of a plain state dict."""
    model = _segmentor(clip)
    load_weights(model, save_as(clip, tmp_path_factory.mktemp('reference') / 'clip.pth',
                                'state_dict'))
    return model


@cases('form', [form for form in FORMS if form not in ('backbone', 'weights')])
def test_every_full_form_gives_the_same_labels(clip, reference, form, tmp_path):
    model = _segmentor(clip)
    suffix = '.safetensors' if form == 'safetensors' else '.pt'
    assert load_weights(model, save_as(clip, tmp_path / f'clip{suffix}', form)) == {}
    tolerance = 2e-3 if form == 'embedded' else 1e-5  # stored in half precision
    torch.testing.assert_close(_scores(model), _scores(reference), rtol=0, atol=tolerance)


def test_earlier_converted_files_find_each_other(clip, reference, tmp_path):
    full = save_as(clip, tmp_path / 'full.pth', 'state_dict')
    bank = build_text_bank(read_clip_checkpoint(full), spec_of(clip), NAMES, progress=False)
    bank.save(tmp_path / 'bank.pth')
    model = _segmentor(clip, text_embeddings_path=str(tmp_path / 'bank.pth'))
    short = spec_of(clip).short_name
    backbone = save_as(clip, tmp_path / f'{short}_clip_backbone.pth', 'backbone')
    # Not a command for a model that has no name.
    with pytest.raises(InputError, match=r'holds the backbone alone.*Give the full CLIP file'):
        load_weights(model, backbone)
    save_as(clip, tmp_path / f'{short}_clip_weights.pth', 'weights')
    load_weights(model, backbone)
    torch.testing.assert_close(_scores(model), _scores(reference))
    if spec_of(clip).kind == 'resnet':
        with pytest.raises(InputError, match='lack the position table'):
            model.backbone.encode_image(torch.randn(1, 3, 64, 64))


def test_a_file_without_texts_says_what_to_do(clip, tmp_path):
    short = spec_of(clip).short_name
    save_as(clip, tmp_path / f'{short}_clip_weights.pth', 'weights')
    path = save_as(clip, tmp_path / f'{short}_clip_backbone.pth', 'backbone')
    with pytest.raises(InputError, match='give the full CLIP file'):
        load_weights(_segmentor(clip), path)
    with pytest.raises(InputError, match="'mario'.*give the full CLIP file"):
        load_weights(_segmentor(clip, vocabulary='mario', num_classes=7), path)


def test_a_model_with_a_name_is_told_the_command(clip, tmp_path):
    sizes = _sizes(clip)
    model = _segmentor(clip, vocabulary='mario', num_classes=7)
    model.backbone.spec = replace(model.backbone.spec, open_clip_name='ViT-B-16')
    path = save_as(clip, tmp_path / f"{sizes['short_name']}_clip_backbone.pth", 'backbone')
    with pytest.raises(InputError, match='convert_clip_weights.py --model tiny'):
        load_weights(model, path)
    save_as(clip, tmp_path / f"{sizes['short_name']}_clip_weights.pth", 'weights')
    with pytest.raises(InputError, match='prompt_engineering.py --model tiny.* --class-set mario'):
        load_weights(model, path)


def test_another_architecture_is_refused(tmp_path):
    path = save_as(make_tiny_clip('vit', width=32), tmp_path / 'other.pt', 'state_dict')
    with pytest.raises(InputError, match='other.pt'):
        load_weights(_segmentor(make_tiny_clip('vit')), path)
    with pytest.raises(InputError, match='other.pt'):
        load_weights(_segmentor(make_tiny_clip('resnet')), path)


def test_a_lost_parameter_is_never_skipped(tmp_path):
    clip = make_tiny_clip('vit')
    state = clip.state_dict()
    del state['visual.transformer.resblocks.1.mlp.c_fc.weight']
    torch.save(state, tmp_path / 'holed.pt')
    with pytest.raises(InputError, match='holed.pt'):
        load_weights(_segmentor(clip), tmp_path / 'holed.pt')


def _prepared(spec, folder, templates, seed):
    """A bank of other embeddings than the tower's, under the name that is looked for."""
    names = load_vocabulary('mario').class_names
    rows = torch.randn(len(names), spec.embed_dim, generator=torch.Generator().manual_seed(seed))
    bank = TextBank(torch.nn.functional.normalize(rows, dim=1), names, clip=spec.name,
                    templates=templates)
    bank.save(folder / bank_path('mario', spec.short_name).name)
    return bank.embeddings


def test_a_prepared_bank_serves_if_its_templates_are_the_wanted_ones(clip, tmp_path, monkeypatch):
    """The first of the checkpoint's folder and pretrain/ that does; for an image tower alone."""
    spec = spec_of(clip)
    (tmp_path / 'pretrain').mkdir()
    monkeypatch.chdir(tmp_path)
    save_as(clip, tmp_path / f'{spec.short_name}_clip_weights.pth', 'weights')
    path = save_as(clip, tmp_path / f'{spec.short_name}_clip_backbone.pth', 'backbone')

    def embeddings(**head):
        model = _segmentor(clip, vocabulary='mario', num_classes=7, **head)
        load_weights(model, path)
        return model.decode_head.text.embeddings

    _prepared(spec, tmp_path, 'single', seed=0)
    with pytest.raises(InputError, match='holds no text tower'):
        embeddings()
    expected = _prepared(spec, tmp_path / 'pretrain', 'imagenet85', seed=1)
    assert torch.equal(embeddings(), expected)
    # A file that does not say is one of the published ones.
    expected = _prepared(spec, tmp_path, None, seed=2)
    assert torch.equal(embeddings(), expected)
    for other in (dict(templates='single'), dict(synonyms='separate')):
        with pytest.raises(InputError, match='holds no text tower'):
            embeddings(**other)
    full = save_as(clip, tmp_path / 'full.pt', 'state_dict')
    model = _segmentor(clip, vocabulary='mario', num_classes=7)
    load_weights(model, full)
    texts = build_text_bank(read_clip_checkpoint(full), spec, 'mario', progress=False)
    torch.testing.assert_close(model.decode_head.text.embeddings, texts.embeddings)


@pytest.mark.parametrize(('names', 'words'), [
    (['cat', 'dog', 'lawn'], 'lawn'), (['cat', 'dog'], '2')])
def test_a_bank_of_other_classes_is_refused(names, words, tmp_path):
    clip = make_tiny_clip('vit')
    full = save_as(clip, tmp_path / 'full.pt', 'state_dict')
    build_text_bank(read_clip_checkpoint(full), spec_of(clip), names,
                    progress=False).save(tmp_path / 'bank.pth')
    with pytest.raises(InputError, match=words):
        load_weights(_segmentor(clip, text_embeddings_path=str(tmp_path / 'bank.pth')), full)


def test_a_bare_tensor_of_one_row_is_never_broadcast(tmp_path):
    clip = make_tiny_clip('vit')
    full = save_as(clip, tmp_path / 'full.pt', 'state_dict')
    torch.save(torch.nn.functional.normalize(torch.randn(1, 32), dim=1), tmp_path / 'one.pth')
    with pytest.raises(InputError, match='1'):
        load_weights(_segmentor(clip, text_embeddings_path=str(tmp_path / 'one.pth')), full)


def test_a_bare_tensor_of_the_earlier_tools_loads(tmp_path):
    clip = make_tiny_clip('vit')
    full = save_as(clip, tmp_path / 'full.pt', 'state_dict')
    bank = build_text_bank(read_clip_checkpoint(full), spec_of(clip), NAMES, progress=False)
    torch.save(bank.embeddings, tmp_path / 'bare.pth')
    model = _segmentor(clip, text_embeddings_path=str(tmp_path / 'bare.pth'))
    load_weights(model, full)
    torch.testing.assert_close(model.decode_head.text.embeddings, bank.embeddings)


def _saved(matrix, path):
    if path.suffix == '.npy':
        np.save(path, matrix.numpy())
    elif path.suffix == '.npz':
        np.savez(path, text_features=matrix.numpy())
    elif path.suffix == '.safetensors':
        save_file({'text_features': matrix.contiguous()}, path)
    else:
        torch.save(matrix, path)
    return path


@pytest.fixture(scope='module')
def bank_of_names(tmp_path_factory):
    """A tiny CLIP, its file, and the embeddings of NAMES."""
    clip = make_tiny_clip('vit')
    full = save_as(clip, tmp_path_factory.mktemp('full') / 'full.pt', 'state_dict')
    bank = build_text_bank(read_clip_checkpoint(full), spec_of(clip), NAMES, progress=False)
    return clip, full, bank.embeddings


@cases('name, change', [
    ('x.npy', lambda x: x), ('x.npz', lambda x: x), ('x.safetensors', lambda x: x),
    ('x.npy', lambda x: x.t()), ('x.pth', lambda x: x.t()), ('x.npy', lambda x: x.double()),
    ('x.npy', lambda x: x.half()), ('x.pth', lambda x: x[None]),
    ('x.pth', lambda x: x[:, :, None, None]), ('x.pth', lambda x: {'weight': x.t()})])
def test_embeddings_in_other_files_and_forms_load(name, change, bank_of_names, tmp_path):
    clip, full, embeddings = bank_of_names
    path = _saved(change(embeddings), tmp_path / name)
    model = _segmentor(clip, text_embeddings_path=str(path))
    load_weights(model, full)
    torch.testing.assert_close(model.decode_head.text.embeddings, embeddings, atol=1e-3, rtol=1e-3)


@cases('name, content, words', [
    ('x.npy', torch.ones(3, 31), r'shape \(3, 31\), expected \(3, 32\): a row for each class'),
    ('x.npy', torch.ones(31, 3), r'shape \(31, 3\), expected \(3, 32\)'),
    ('x.npy', torch.ones(4, 32), r'shape \(4, 32\), expected \(3, 32\)'),
    ('x.npy', torch.ones(96), r'holds a tensor of shape \(96,\)'),
    ('x.npy', torch.ones(3, 32, dtype=torch.int64), 'is not a text bank'),
    ('x.pth', {'a': torch.ones(3, 32), 'b': torch.ones(3, 32)}, 'a dict with keys a, b')])
def test_what_is_wrong_with_other_forms_is_told(name, content, words, bank_of_names, tmp_path):
    clip, full, _ = bank_of_names
    path = _saved(content, tmp_path / name)
    with pytest.raises(InputError, match=words):
        load_weights(_segmentor(clip, text_embeddings_path=str(path)), full)


def test_an_array_of_objects_is_not_unpickled(bank_of_names, tmp_path):
    clip, full, _ = bank_of_names
    np.save(tmp_path / 'x.npy', np.array([print], dtype=object))
    with pytest.raises(InputError, match=r'x\.npy is damaged or not a weights file .*allow_pickle'):
        load_weights(_segmentor(clip, text_embeddings_path=str(tmp_path / 'x.npy')), full)


def test_synonyms_kept_apart_reach_the_head(tmp_path):
    clip = make_tiny_clip('vit')
    full = save_as(clip, tmp_path / 'full.pt', 'state_dict')
    model = _segmentor(clip, vocabulary=['cat; kitten', 'dog', 'grass'], synonyms='separate')
    load_weights(model, full)
    assert model.decode_head.text.row_class.tolist() == [0, 0, 1, 2]
    assert _scores(model).shape[1] == 3


def test_a_saved_segmentor_loads_strictly(tmp_path):
    clip = make_tiny_clip('vit')
    model = _segmentor(clip)
    load_weights(model, save_as(clip, tmp_path / 'full.pt', 'state_dict'))
    torch.save({'state_dict': model.state_dict(), 'meta': {'CLASSES': NAMES}},
               tmp_path / 'saved.pth')
    fresh = _segmentor(clip)
    assert load_weights(fresh, tmp_path / 'saved.pth')['CLASSES'] == NAMES
    assert _scores(fresh).equal(_scores(model))
    state = model.state_dict()
    state.pop('backbone.ln1.weight')
    torch.save({'state_dict': state}, tmp_path / 'holed.pth')
    with pytest.raises(InputError, match='does not fit'):
        load_weights(_segmentor(clip), tmp_path / 'holed.pth')


@pytest.mark.parametrize('form', ['openai', 'state_dict', 'safetensors', 'saved'])
def test_a_checkpoint_is_deserialised_once(form, tmp_path, monkeypatch):
    import safetensors.torch
    clip = make_tiny_clip('vit')
    model = _segmentor(clip)
    suffix = '.safetensors' if form == 'safetensors' else '.pt'
    path = tmp_path / f'clip{suffix}'
    if form == 'saved':
        load_weights(model, save_as(clip, tmp_path / 'full.pt', 'state_dict'))
        torch.save({'state_dict': model.state_dict()}, path)
    else:
        save_as(clip, path, form)
    read = []

    def count(module, name):
        original = getattr(module, name)

        def counted(file, *args, **kwargs):
            read.append(str(file))
            return original(file, *args, **kwargs)

        monkeypatch.setattr(module, name, counted)

    for module, name in [(torch, 'load'), (torch.jit, 'load'), (safetensors.torch, 'load_file')]:
        count(module, name)
    load_weights(model, path)
    assert read.count(str(path)) == 1


def test_a_checkpoint_without_decode_head_is_not_a_student_s(tmp_path):
    model = build_model(Config(dict(model=dict(
        type='EncoderDecoder', backbone=dict(type='ResNetV1c', depth=18, num_stages=4),
        decode_head=dict(type='FCNHead', in_channels=512, channels=8, num_classes=2)))))
    path = save_as(make_tiny_clip('vit'), tmp_path / 'clip.pt', 'state_dict')
    with pytest.raises(InputError, match=r'clip\.pt is not the checkpoint of a segmentor.*Encoder'):
        load_weights(model, path)


def test_the_teacher_in_an_official_student_checkpoint_is_a_clip_file(clip, tmp_path):
    """Its names are those of the two earlier files, under ``decode_head``."""
    reference = _segmentor(clip)
    full = save_as(clip, tmp_path / 'full.pth', 'state_dict')
    load_weights(reference, full)
    earlier = torch.load(save_as(clip, tmp_path / 'weights.pth', 'weights'), weights_only=True)
    state = {f'decode_head.clip.{key.replace("backbone.", "")}': value
             for key, value in earlier.pop('clip').items()}
    for name, part in earlier.items():
        for key, value in part.items():
            value = value[..., None, None] if key == 'weight' else value
            state[f'decode_head.{name}.{key}'] = value
    state['backbone.stem.0.weight'] = torch.zeros(1)
    torch.save({'state_dict': state, 'meta': {}}, tmp_path / 'released.pth')
    bank = build_text_bank(read_clip_checkpoint(full), spec_of(clip), NAMES, progress=False)
    bank.save(tmp_path / 'bank.pth')
    model = _segmentor(clip, text_embeddings_path=str(tmp_path / 'bank.pth'))
    load_weights(model, tmp_path / 'released.pth')
    torch.testing.assert_close(_scores(model), _scores(reference))
