"""Text banks against open_clip's own zero-shot classifier."""

from dataclasses import replace

import open_clip
import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.clip import (
    TextBank,
    TextEncoder,
    build_text_bank,
    cached_text_bank,
    load_templates,
    load_vocabulary,
    read_clip_checkpoint,
)
from mmseg_maskclip.clip.text import build
from mmseg_maskclip.utils import InputError

from helpers.tiny_clip import make_tiny_clip, save_as, spec_of

NAMES = ['cat', 'traffic light', 'Mickey Mouse', 'a very, very long-winded name of a class']


@pytest.fixture(scope='module')
def clip(tmp_path_factory):
    """(model of open_clip, our checkpoint of it, its spec)."""
    model = make_tiny_clip('vit', seed=5)
    path = save_as(model, tmp_path_factory.mktemp('clip') / 'clip.pt', 'openai')
    return model, read_clip_checkpoint(path), spec_of(model)


def _oracle(model, names, templates):
    return open_clip.build_zero_shot_classifier(
        model, open_clip.get_tokenizer('ViT-B-16'), names, load_templates(templates)).T


@pytest.mark.parametrize('templates', ['imagenet85', 'zegclip15', 'cifar18', 'single'])
def test_bank_equals_open_clip_s_zero_shot_classifier(clip, templates):
    model, checkpoint, spec = clip
    bank = build_text_bank(checkpoint, spec, NAMES, templates, progress=False)
    torch.testing.assert_close(bank.embeddings, _oracle(model, NAMES, templates),
                               rtol=1e-4, atol=1e-5)
    assert bank.class_names == tuple(NAMES)
    assert (bank.clip, bank.templates, bank.normalized) == (spec.name, templates, True)
    assert bank.row_class.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize('quick_gelu', [True, False])
def test_the_text_tower_runs_its_own_activation(quick_gelu, tmp_path):
    model = make_tiny_clip('resnet', seed=1, quick_gelu=quick_gelu)
    checkpoint = read_clip_checkpoint(save_as(model, tmp_path / 'clip.pt', 'custom_text'))
    encoder = TextEncoder(checkpoint, spec_of(model))
    expected = model.encode_text(open_clip.tokenize(NAMES))
    torch.testing.assert_close(encoder.encode(NAMES), expected, rtol=1e-4, atol=1e-5)


def test_a_real_vocabulary(clip):
    model, checkpoint, spec = clip
    bank = build_text_bank(checkpoint, spec, 'voc', 'cifar18', progress=False)
    expected = _oracle(model, load_vocabulary('voc').class_names, 'cifar18')
    torch.testing.assert_close(bank.embeddings, expected, rtol=1e-4, atol=1e-5)


def test_the_batch_size_and_the_order_of_classes_change_nothing(clip):
    _, checkpoint, spec = clip
    banks = [build_text_bank(checkpoint, spec, NAMES, batch_size=size, progress=False).embeddings
             for size in (1, 7, 1000)]
    for other in banks[1:]:
        torch.testing.assert_close(other, banks[0], rtol=1e-5, atol=1e-6)
    back = build_text_bank(checkpoint, spec, NAMES[::-1], progress=False).embeddings
    torch.testing.assert_close(back.flip(0), banks[0], rtol=1e-5, atol=1e-6)


def test_synonyms_are_averaged_over_all_their_prompts(clip):
    model, checkpoint, spec = clip
    bank = build_text_bank(checkpoint, spec, ['cat; kitten', 'dog'], 'cifar18', progress=False)
    prompts = [t.replace('{}', name) for name in ('cat', 'kitten')
               for t in load_templates('cifar18')]
    mean = model.encode_text(open_clip.tokenize(prompts), normalize=True).mean(0)
    torch.testing.assert_close(bank.embeddings[0], F.normalize(mean, dim=0), rtol=1e-4, atol=1e-5)
    assert bank.class_names == ('cat', 'dog')


def test_synonyms_kept_apart_are_the_rows_of_each_name(clip):
    model, checkpoint, spec = clip
    bank = build_text_bank(checkpoint, spec, ['cat; kitten', 'dog'], 'cifar18',
                           synonyms='separate', progress=False)
    expected = _oracle(model, ['cat', 'kitten', 'dog'], 'cifar18')
    torch.testing.assert_close(bank.embeddings, expected, rtol=1e-4, atol=1e-5)
    assert bank.row_class.tolist() == [0, 0, 1]
    assert bank.row_names == ('cat', 'kitten', 'dog')
    assert bank.class_names == ('cat', 'dog')


def test_name_of_two_classes_gives_rows_that_are_equal_to_the_last_bit(clip, monkeypatch):
    _, checkpoint, spec = clip
    voc = load_vocabulary('voc')
    twice = replace(voc, entries=(('cat', *voc.entries[0]), *voc.entries[1:]))
    alone = build_text_bank(checkpoint, spec, 'voc', 'single', 'separate', progress=False)
    forward = TextEncoder.forward

    def rounded_otherwise_in_each_batch(self, tokens, layer=None):
        found = forward(self, tokens, layer)
        return found * (1 + 1e-4 * torch.rand(found.shape))

    monkeypatch.setattr(TextEncoder, 'forward', rounded_otherwise_in_each_batch)
    bank = build_text_bank(checkpoint, spec, twice, 'single', 'separate', batch_size=7,
                           progress=False)
    rows = [index for index, name in enumerate(bank.row_names) if name == 'cat']
    assert bank.row_class[rows].tolist() == [0, 7] and len(bank.embeddings) == 21
    assert torch.equal(*bank.embeddings[rows])
    torch.testing.assert_close(bank.embeddings[1:], alone.embeddings, rtol=1e-3, atol=1e-4)


def test_means_can_be_left_at_their_own_length(clip):
    model, checkpoint, spec = clip
    bank = build_text_bank(checkpoint, spec, ['cat'], 'cifar18', normalize=False, progress=False)
    prompts = [t.replace('{}', 'cat') for t in load_templates('cifar18')]
    mean = model.encode_text(open_clip.tokenize(prompts), normalize=True).mean(0, keepdim=True)
    torch.testing.assert_close(bank.embeddings, mean, rtol=1e-4, atol=1e-5)
    assert not bank.normalized
    assert bank.embeddings.norm() < 0.999


def test_an_embedded_file_knows_its_own_words_alone(clip, tmp_path):
    model, _, spec = clip
    kept = open_clip.tokenize(['a photo of a cat.']).unique()
    path = save_as(model, tmp_path / 'tiny.pth', 'embedded', token_ids=kept)
    checkpoint = read_clip_checkpoint(path)
    assert torch.equal(checkpoint.token_ids, kept)
    bank = build_text_bank(checkpoint, spec, ['cat'], 'single', progress=False)
    full = _oracle(model, ['cat'], 'single')
    assert F.cosine_similarity(bank.embeddings, full).item() > 0.9999
    with pytest.raises(InputError, match="the word 'dog'"):
        build_text_bank(checkpoint, spec, ['cat', 'dog'], 'single', progress=False)


def test_a_prompt_the_tower_can_not_read_to_its_end_is_refused(clip):
    _, checkpoint, spec = clip
    with pytest.raises(InputError, match='77 tokens'):
        build_text_bank(checkpoint, spec, ['word ' * 80], 'single', progress=False)
    # 77 tokens: start, 75 words, end.
    assert TextEncoder(checkpoint, spec).tokenize(['cat ' * 75]).shape == (1, 77)


def test_a_checkpoint_without_text_tower_says_what_to_name(clip, tmp_path):
    model, _, spec = clip
    checkpoint = read_clip_checkpoint(save_as(model, tmp_path / 'b.pth', 'backbone'))
    with pytest.raises(InputError, match='no text tower'):
        build_text_bank(checkpoint, spec, ['cat'], progress=False)


def test_bad_options_are_refused(clip):
    _, checkpoint, spec = clip
    with pytest.raises(InputError, match="'max'"):
        build_text_bank(checkpoint, spec, ['cat'], synonyms='max')
    with pytest.raises(InputError, match='batch_size is 0'):
        build_text_bank(checkpoint, spec, ['cat'], batch_size=0)


def test_a_bank_survives_a_file(clip, tmp_path):
    _, checkpoint, spec = clip
    bank = build_text_bank(checkpoint, spec, ['cat; kitten', 'dog'], 'single', 'separate',
                           progress=False)
    bank.save(tmp_path / 'bank.pth')
    read = TextBank.load(tmp_path / 'bank.pth')
    assert torch.equal(read.embeddings, bank.embeddings)
    assert torch.equal(read.row_class, bank.row_class)
    assert (read.class_names, read.row_names, read.clip, read.templates) == (
        bank.class_names, bank.row_names, bank.clip, bank.templates)


def test_a_bare_tensor_of_the_earlier_tools_is_a_bank(tmp_path):
    rows = F.normalize(torch.randn(3, 8), dim=1).half()
    torch.save(rows, tmp_path / 'voc_ViT16_clip_text.pth')
    bank = TextBank.load(tmp_path / 'voc_ViT16_clip_text.pth')
    assert torch.equal(bank.embeddings, rows.float())
    assert bank.normalized and bank.clip is None
    assert bank.check(['x', 'y', 'z'], 8, 'ViT-B/16') is bank
    with pytest.raises(InputError, match='3 classes, expected 4'):
        bank.check(['x', 'y', 'z', 'w'])


def test_one_row_is_never_spread_over_all_classes(tmp_path):
    torch.save(torch.randn(1, 8), tmp_path / 'bank.pth')
    with pytest.raises(InputError, match='1 classes, expected 20'):
        TextBank.load(tmp_path / 'bank.pth').check(load_vocabulary('voc').class_names)


@pytest.mark.parametrize('wanted, phrase', [
    ({'class_names': ['cat']}, '2 classes, expected 1'),
    ({'class_names': ['cat', 'cow']}, "'dog' as class 1, expected 'cow'"),
    ({'width': 512}, 'width 4, expected 512'),
    ({'clip': 'RN50'}, 'ViT-B/16, expected RN50')])
def test_a_bank_of_another_model_or_list_is_refused(wanted, phrase, tmp_path):
    TextBank(torch.eye(2, 4), ('cat', 'dog'), clip='ViT-B/16').save(tmp_path / 'bank.pth')
    bank = TextBank.load(tmp_path / 'bank.pth')
    assert bank.check(['cat', 'dog'], 4, 'ViT-B/16') is bank
    with pytest.raises(InputError, match=phrase) as caught:
        bank.check(**wanted)
    assert 'bank.pth' in str(caught.value)
    assert 'prompt_engineering.py' in str(caught.value)


@pytest.mark.parametrize('content', [torch.ones(3), {'state_dict': {}}, [1, 2]])
def test_other_files_are_no_banks(content, tmp_path):
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(InputError, match='is not a text bank'):
        TextBank.load(tmp_path / 'x.pth')


def test_damaged_and_missing_banks(tmp_path):
    TextBank(torch.eye(2, 4), ('cat', 'dog')).save(tmp_path / 'x.pth')
    whole = (tmp_path / 'x.pth').read_bytes()
    (tmp_path / 'x.pth').write_bytes(whole[:len(whole) // 2])
    with pytest.raises(InputError, match=r'^text bank .*x\.pth is cut off.*prompt_engineering'):
        TextBank.load(tmp_path / 'x.pth')
    (tmp_path / 'x.pth').write_bytes(whole)
    content = torch.load(tmp_path / 'x.pth', weights_only=True)
    del content['row_class']
    torch.save(content, tmp_path / 'x.pth')
    with pytest.raises(InputError, match='incomplete: it lacks row_class'):
        TextBank.load(tmp_path / 'x.pth')
    with pytest.raises(InputError, match=r'does not exist.*prompt_engineering\.py'):
        TextBank.load(tmp_path / 'none.pth')
    with pytest.raises(InputError, match='shape'):
        TextBank(torch.ones(3, 4), ('cat', 'dog'))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder."""
    monkeypatch.setenv('MASKCLIP_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'text_banks'


def _never(*args, **kwargs):
    raise AssertionError('the text tower ran')


def test_the_cache_saves_the_second_encoding(clip, cache, monkeypatch):
    _, checkpoint, spec = clip
    first = cached_text_bank(checkpoint, spec, ['cat', 'dog'], 'single', progress=False)
    monkeypatch.setattr(build, 'TextEncoder', _never)
    second = cached_text_bank(checkpoint, spec, ['cat', 'dog'], 'single', progress=False)
    assert torch.equal(first.embeddings, second.embeddings)
    assert second.class_names == ('cat', 'dog')


def test_the_cache_is_keyed_by_content(clip, cache, tmp_path):
    _, checkpoint, spec = clip
    other = make_tiny_clip('vit', seed=6)
    other = read_clip_checkpoint(save_as(other, tmp_path / 'other.pt', 'openai'))
    variants = [
        (checkpoint, ['cat', 'dog'], {}), (checkpoint, ['dog', 'cat'], {}),
        (checkpoint, ['cat; kitten', 'dog'], {}),
        (checkpoint, ['cat', 'dog'], {'normalize': False}),
        (checkpoint, ['cat; kitten', 'dog'], {'synonyms': 'separate'}),
        (checkpoint, ['cat', 'dog'], {'templates': ['{} here', 'the {}']}),
        (checkpoint, ['cat', 'dog'], {'templates': 'cifar18'}), (other, ['cat', 'dog'], {})]
    for source, names, options in variants:
        cached_text_bank(source, spec, names, **{'templates': 'single', **options},
                         progress=False)
    assert len(list(cache.iterdir())) == len(variants)


def test_a_damaged_cache_is_made_anew(clip, cache):
    _, checkpoint, spec = clip
    first = cached_text_bank(checkpoint, spec, ['cat'], 'single', progress=False)
    (file,) = cache.iterdir()
    file.write_bytes(b'half a fi')
    again = cached_text_bank(checkpoint, spec, ['cat'], 'single', progress=False)
    assert torch.equal(again.embeddings, first.embeddings)
    assert torch.equal(TextBank.load(file).embeddings, first.embeddings)


def test_a_cache_that_can_not_be_written_stops_nobody(clip, tmp_path, monkeypatch):
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('MASKCLIP_CACHE', str(tmp_path / 'file'))
    _, checkpoint, spec = clip
    assert cached_text_bank(checkpoint, spec, ['cat'], 'single', progress=False).width == 32
