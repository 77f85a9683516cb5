"""A model's weights under whatever wraps them, and matrices with further dimensions."""

import pytest
import torch

from mmseg_maskclip.clip import CheckpointKind, read_checkpoint_file, read_clip_checkpoint
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.tiny_clip import make_tiny_clip, save_as


def _named(prefix):
    return lambda state: {f'{prefix}{key}': value for key, value in state.items()}


def _nested(state):
    """One dict a module, as ``state_dict`` trees of other frameworks are saved."""
    tree = {}
    for key, value in state.items():
        *parents, leaf = key.split('.')
        branch = tree
        for name in parents:
            branch = branch.setdefault(name, {})
        branch[leaf] = value
    return tree


WRAPPINGS = {
    'lightning': lambda state: {'pytorch-lightning_version': '2.2', 'hparams_name': 'kwargs',
                                'state_dict': _named('model.')(state)},
    'lightning beside a loss': lambda state: {
        'state_dict': {**_named('net.clip_model.')(state), 'loss.scale': torch.ones(1)}},
    'deep': lambda state: {'epoch': 2, 'run': {'net': {'ema': state}}},
    'deep and prefixed': lambda state: {'ckpt': {'network': _named('module.student.clip.')(state)}},
    'called clip': lambda state: {'clip': state, 'epoch': 1},
    'a dict a module': lambda state: {'weights': _nested(state)},
    'beside an optimizer': lambda state: {
        'net': state, 'optimizer': {'state': {0: {'exp_avg': torch.ones(2)}}}},
    'beside another model': lambda state: {'model': {'weight': torch.ones(2)}, 'clip': state},
    'beside a copy': lambda state: {**state, **_named('momentum.')(state)},
    'beside an average': lambda state: {
        'state_dict': _named('x.')(state), 'state_dict_ema': _named('x.')(state)},
}


@cases('kind', ['vit', 'resnet'])
@cases('form', ['state_dict', 'custom_text', 'backbone'])
def test_what_wraps_a_model_is_stripped(kind, form, tmp_path):
    path = save_as(make_tiny_clip(kind, seed=1), tmp_path / 'clip.pt', form)
    state = torch.load(path, weights_only=True)
    expected = read_clip_checkpoint(path)
    for name, wrap in WRAPPINGS.items():
        torch.save(wrap(state.get('state_dict', state)), path)
        found = read_clip_checkpoint(path)
        assert found.form == expected.form, name
        for part, wanted in ((found.visual, expected.visual), (found.text, expected.text)):
            assert part.keys() == wanted.keys(), name
            assert all(torch.equal(part[key], wanted[key]) for key in wanted), name


@cases('wrap', WRAPPINGS.values())
def test_a_wrapped_student_is_recognised(wrap, tmp_path):
    # One that holds a whole CLIP model besides is still a segmentor.
    student = {'backbone.conv1.weight': torch.ones(1), 'decode_head.conv_seg.weight': torch.ones(1),
               'decode_head.clip_model.visual.conv1.weight': torch.ones(1)}
    torch.save(wrap(student), tmp_path / 'student.ckpt')
    found = read_checkpoint_file(tmp_path / 'student.ckpt')
    assert found.kind is CheckpointKind.SEGMENTOR
    assert set(found.state) >= set(student)


def test_weights_of_other_models_are_left_as_they_are(tmp_path):
    resnet = {'conv1.weight': torch.ones(1), 'layer1.0.conv1.weight': torch.ones(1)}
    torch.save({'state_dict': resnet, 'ema': {'a.b': torch.ones(1)}}, tmp_path / 'resnet.pth')
    assert set(read_checkpoint_file(tmp_path / 'resnet.pth').state) == set(resnet)


def test_several_models_in_one_file_are_not_guessed_from(tmp_path):
    state = make_tiny_clip('vit').state_dict()
    torch.save({'state_dict': {**_named('student.')(state), **_named('teacher.')(state)}},
               tmp_path / 'x.pt')
    with pytest.raises(InputError, match=r'several models, named student\., teacher\.: save'):
        read_clip_checkpoint(tmp_path / 'x.pt')


@cases('content, shown', [
    ({'run': {'net': {'a.w': torch.ones(1), 'b.w': torch.ones(1)}}}, 'run.net.a.w, run.net.b.w'),
    ({'state_dict': {f'enc.{i}': torch.ones(1) for i in range(9)}},
     'state_dict.enc.0, state_dict.enc.1, state_dict.enc.2;'),
    ({'epoch': 3, 'lr': 0.1}, 'epoch, lr'), ({}, 'none')])
def test_the_first_keys_are_shown_where_no_model_is_found(content, shown, tmp_path):
    torch.save(content, tmp_path / 'x.pt')
    with pytest.raises(InputError, match='holds no weight of a CLIP') as caught:
        read_clip_checkpoint(tmp_path / 'x.pt')
    assert f'(first keys: {shown}' in str(caught.value)


@cases('kind, form, key', [
    ('vit', 'state_dict', 'visual.proj'), ('vit', 'state_dict', 'text_projection'),
    ('resnet', 'state_dict', 'visual.attnpool.c_proj.weight'),
    ('resnet', 'state_dict', 'visual.attnpool.v_proj.weight')])
def test_projections_with_trailing_dimensions_are_matrices(kind, form, key, tmp_path):
    path = save_as(make_tiny_clip(kind), tmp_path / 'clip.pt', form)
    expected = read_clip_checkpoint(path)
    content = torch.load(path, weights_only=True)
    content[key] = content[key][:, :, None, None]
    torch.save(content, path)
    found = read_clip_checkpoint(path)
    for part, wanted in ((found.visual, expected.visual), (found.text, expected.text)):
        assert all(torch.equal(part[name], wanted[name]) for name in wanted)
