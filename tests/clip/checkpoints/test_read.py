"""Reading a CLIP checkpoint of any form, and refusing what is none."""

import hashlib

import pytest
import torch

from mmseg_maskclip.clip import (
    CheckpointKind,
    clip_checkpoint_from,
    get_spec,
    make_spec,
    openai_to_backbone,
    read_checkpoint_file,
    read_clip_checkpoint,
    write_backbone_file,
    write_weights_file,
)
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.tiny_clip import FORMS, make_tiny_clip, save_as, spec_of

FULL = [form for form in FORMS if form not in ('backbone', 'weights')]
KINDS = ('vit', 'resnet')


def _path(folder, form):
    return folder / ('clip.safetensors' if form == 'safetensors' else 'clip.pt')


def _same(found, expected):
    return found.keys() == expected.keys() and all(
        torch.equal(found[key].float(), expected[key].float()) for key in expected)


@cases('kind', KINDS)
@cases('form', FORMS)
def test_every_form_gives_the_image_tower_of_the_model(kind, form, tmp_path):
    model = make_tiny_clip(kind, seed=3)
    checkpoint = read_clip_checkpoint(save_as(model, _path(tmp_path, form), form))
    expected = openai_to_backbone(model.visual.state_dict(), kind)
    assert checkpoint.kind == kind
    if form in ('backbone', 'weights'):
        # What the earlier files leave out.
        dropped = [key for key in expected if key not in checkpoint.visual]
        assert all(key.startswith(('proj.', 'attnpool.')) for key in dropped)
        expected = {key: value for key, value in expected.items() if key not in dropped}
    assert _same(checkpoint.visual, expected)
    assert checkpoint.check(spec_of(model)) is checkpoint


@cases('form', FULL)
def test_full_forms_give_the_text_tower(form, tmp_path):
    model = make_tiny_clip('vit')
    text = read_clip_checkpoint(save_as(model, _path(tmp_path, form), form)).text
    expected = {key: value for key, value in model.state_dict().items()
                if not key.startswith('visual.') and key != 'logit_scale'}
    if form == 'embedded':
        expected['token_embedding.weight'] = expected['token_embedding.weight'].half()
    assert _same(text, expected)


@pytest.mark.parametrize('kind', KINDS)
def test_half_precision_becomes_float32(kind, tmp_path):
    path = save_as(make_tiny_clip(kind), tmp_path / 'clip.pt', 'openai', half=True)
    checkpoint = read_clip_checkpoint(path)
    floating = [value for part in (checkpoint.visual, checkpoint.text) for value in part.values()
                if value.is_floating_point()]
    assert floating and all(value.dtype == torch.float32 for value in floating)


def test_the_weights_file_brings_the_projections(tmp_path):
    model = make_tiny_clip('resnet')
    visual = read_clip_checkpoint(save_as(model, tmp_path / 'w.pth', 'weights')).visual
    assert torch.equal(visual['attnpool.v_proj.weight'], model.visual.attnpool.v_proj.weight)
    assert torch.equal(visual['attnpool.c_proj.bias'], model.visual.attnpool.c_proj.bias)


def test_projections_saved_as_1x1_convolutions_are_read_too(tmp_path):
    path = save_as(make_tiny_clip('vit'), tmp_path / 'w.pth', 'weights')
    content = torch.load(path, weights_only=True)
    content['proj']['weight'] = content['proj']['weight'][:, :, None, None]
    torch.save(content, path)
    assert read_clip_checkpoint(path).visual['proj.weight'].shape == (32, 64)


@pytest.mark.parametrize('kind', KINDS)
def test_files_we_convert_are_read_back(kind, tmp_path):
    model = make_tiny_clip(kind)
    spec = spec_of(model)
    checkpoint = read_clip_checkpoint(save_as(model, tmp_path / 'clip.pt', 'openai'))
    write_backbone_file(checkpoint, spec, tmp_path / 'b.pth')
    write_weights_file(checkpoint, spec, tmp_path / 'w.pth')
    assert _same(read_clip_checkpoint(tmp_path / 'b.pth').visual, checkpoint.visual)
    weights = read_clip_checkpoint(tmp_path / 'w.pth')
    assert set(checkpoint.visual) - set(weights.visual) <= {'attnpool.positional_embedding'}
    raw = torch.load(tmp_path / 'b.pth', weights_only=True)
    assert set(raw) == {'meta', 'state_dict'}
    assert all(key.startswith('backbone.') for key in raw['state_dict'])
    raw = torch.load(tmp_path / 'w.pth', weights_only=True)
    projections = {'proj'} if kind == 'vit' else {'k_proj', 'q_proj', 'v_proj', 'c_proj'}
    assert set(raw) == {*projections, 'clip'}
    assert all(value.dim() <= 2 for name in projections for value in raw[name].values())


def test_a_backbone_file_without_projection_makes_no_weights_file(tmp_path):
    model = make_tiny_clip('vit')
    checkpoint = read_clip_checkpoint(save_as(model, tmp_path / 'b.pth', 'backbone'))
    with pytest.raises(InputError, match='lacks the projections proj'):
        write_weights_file(checkpoint, spec_of(model), tmp_path / 'w.pth')
    assert not (tmp_path / 'w.pth').exists()


@cases('kind, sizes, phrase', [
    ('vit', {'width': 128}, 'width is 64, expected 128'),
    ('vit', {'layers': 4}, 'layers is 3, expected 4'),
    ('vit', {'patch_size': 32}, 'patch_size is 16, expected 32'),
    ('vit', {'embed_dim': 64}, 'embed_dim is 32, expected 64'),
    ('vit', {'image_size': 96}, 'positions is 17, expected 37'),
    ('vit', {'mlp_ratio': 2.0}, 'hidden is 256, expected 128'),
    ('vit', {'text': {'layers': 5, 'width': 64}}, 'layers is 2, expected 5'),
    ('resnet', {'layers': (3, 4, 6, 3)}, r'layers is \(1, 1, 1, 1\), expected \(3, 4, 6, 3\)'),
    ('resnet', {'width': 16}, 'width is 8, expected 16')])
def test_another_architecture_is_refused_and_both_are_named(kind, sizes, phrase, tmp_path):
    model = make_tiny_clip(kind)
    path = save_as(model, tmp_path / 'clip.pt', 'state_dict')
    spec = make_spec(**{**model.tiny_sizes, **sizes})
    with pytest.raises(InputError, match=phrase) as caught:
        read_clip_checkpoint(path).check(spec)
    assert str(path) in str(caught.value)


def test_a_resnet_for_a_vit_names_the_command(tmp_path):
    path = save_as(make_tiny_clip('resnet'), tmp_path / 'clip.pt', 'state_dict')
    with pytest.raises(InputError, match=r'ModifiedResNet.*ViT-B/16.*download_weights.sh ViT-B/16'):
        read_clip_checkpoint(path).check(get_spec('ViT16'))


def test_a_checkpoint_of_a_known_model_is_named(tmp_path):
    spec = get_spec('TinyRN')
    model = make_tiny_clip('resnet', width=16, image_size=128, embed_dim=128,
                           text={'width': 128, 'heads': 4, 'layers': 2, 'context_length': 32})
    checkpoint = read_clip_checkpoint(save_as(model, tmp_path / 'clip.pt', 'state_dict'))
    assert checkpoint.identify() == ['TinyRN']
    assert checkpoint.check(spec)
    with pytest.raises(InputError, match='it fits TinyRN'):
        checkpoint.check(get_spec('RN50'))


@pytest.mark.parametrize('content, phrase', [
    (b'', 'empty'),
    (b'\n<!DOCTYPE html><html><body>Sign in</body></html>', 'web page'),
    (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n', 'git-lfs pointer'),
    (b'not weights at all, just text ' * 20, 'is not a weights file')])
def test_files_that_hold_no_weights_are_told_apart(content, phrase, tmp_path):
    path = tmp_path / 'ViT-B-16.pt'
    path.write_bytes(content)
    with pytest.raises(InputError, match=phrase) as caught:
        read_clip_checkpoint(path, 'Run: bash download_weights.sh ViT-B/16')
    assert str(path) in str(caught.value)
    assert 'download_weights.sh ViT-B/16' in str(caught.value)


@pytest.mark.parametrize('form', ['openai', 'state_dict', 'safetensors'])
def test_a_truncated_file_is_refused(form, tmp_path):
    path = save_as(make_tiny_clip('vit'), _path(tmp_path, form), form)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(InputError, match=r'cut off|damaged'):
        read_clip_checkpoint(path)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(InputError, match='does not exist'):
        read_clip_checkpoint(tmp_path / 'none.pt')
    with pytest.raises(InputError, match='is a folder'):
        read_clip_checkpoint(tmp_path)


def test_objects_in_a_file_are_never_run(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / 'touched'), 'w'))

    path = tmp_path / 'clip.pt'
    torch.save({'state_dict': {}, 'hook': Evil()}, path)
    with pytest.raises(InputError, match='objects other than tensors'):
        read_clip_checkpoint(path)
    assert not (tmp_path / 'touched').exists()


@cases('content, phrase', [
    ({'layer.weight': torch.ones(2)}, 'no weight of a CLIP image tower.*layer.weight|first keys'),
    ({}, 'no weight of a CLIP image tower'),
    ([torch.ones(2)], 'list'),
    ({'vision_model.embeddings.class_embedding': torch.ones(4)}, 'incomplete'),
    ({'visual.trunk.conv.weight': torch.ones(4)}, 'timm'),
    ({'visual.class_embedding': torch.ones(4)}, 'incomplete')])
def test_weights_of_no_clip_model_are_refused(content, phrase, tmp_path):
    torch.save(content, tmp_path / 'x.pt')
    with pytest.raises(InputError, match=phrase):
        read_clip_checkpoint(tmp_path / 'x.pt')


def _student(prefix='', **more):
    names = ('backbone.conv1.weight', 'decode_head.conv_seg.weight')
    return {f'{prefix}{name}': torch.ones(1) for name in names} | more


@pytest.mark.parametrize('content', [
    _student(), {'state_dict': _student(), 'meta': {'CLASSES': ['cat']}},
    {'state_dict': _student('module.')}, {'model': _student('_orig_mod.module.')}])
def test_a_segmentor_s_checkpoint_is_recognised(content, tmp_path):
    torch.save(content, tmp_path / 'student.pth')
    found = read_checkpoint_file(tmp_path / 'student.pth')
    assert found.kind is CheckpointKind.SEGMENTOR
    assert set(found.state) == set(_student())
    assert found.meta == content.get('meta', {})
    with pytest.raises(InputError, match='checkpoint of a trained segmentor'):
        read_clip_checkpoint(tmp_path / 'student.pth')


def test_an_official_student_is_told_by_its_teacher(tmp_path):
    torch.save(_student(**{'decode_head.clip.cls_token': torch.ones(1)}), tmp_path / 'o.pth')
    assert read_checkpoint_file(tmp_path / 'o.pth').kind is CheckpointKind.SEGMENTOR_WITH_TEACHER


@cases('form', FORMS)
def test_a_clip_checkpoint_is_no_segmentor_and_needs_no_second_reading(form, tmp_path):
    model = make_tiny_clip('vit')
    path = save_as(model, _path(tmp_path, form), form)
    content = read_checkpoint_file(path)
    assert content.kind is CheckpointKind.CLIP
    expected = read_clip_checkpoint(path)
    path.unlink()
    found = clip_checkpoint_from(content)
    assert found.form == expected.form
    assert _same(found.visual, expected.visual) and _same(found.text, expected.text)
    # The content is left as it is, so that it can be read from again.
    again = clip_checkpoint_from(content)
    assert again.form == expected.form and _same(again.text, expected.text)


@cases('form, words', [
    ('openai', 'TorchScript archive'), ('wrapped', 'state dict'), ('embedded', 'embedded file'),
    ('backbone', 'earlier backbone file'), ('weights', 'earlier weights file')])
def test_the_form_of_a_file_is_named(form, words, tmp_path):
    assert read_clip_checkpoint(save_as(make_tiny_clip('vit'), tmp_path / 'x', form)).form == words


def test_a_file_is_called_what_the_caller_takes_it_for(tmp_path):
    torch.save([torch.ones(2)], tmp_path / 'x.pth')
    with pytest.raises(InputError, match=r'^checkpoint .*x\.pth holds a list, expected a dict'):
        read_checkpoint_file(tmp_path / 'x.pth')
    with pytest.raises(InputError, match=r'^CLIP checkpoint .*x\.pth holds a list'):
        read_clip_checkpoint(tmp_path / 'x.pth')
    (tmp_path / 'x.pth').write_bytes(b'')
    with pytest.raises(InputError, match=r'^CLIP checkpoint .*x\.pth is empty'):
        read_clip_checkpoint(tmp_path / 'x.pth')


def test_the_hash_is_the_file_s(tmp_path):
    path = save_as(make_tiny_clip('vit'), tmp_path / 'clip.pt', 'state_dict')
    assert read_clip_checkpoint(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
