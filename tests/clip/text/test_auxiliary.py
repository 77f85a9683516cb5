"""Sentences about the classes."""

import pytest
import torch

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.clip.text.auxiliary import mix_auxiliary
from mmseg_maskclip.models import MaskClip
from mmseg_maskclip.models.weights.clip import load_clip
from mmseg_maskclip.utils import InputError

from helpers.cases import cases


def _model(auxiliary=None):
    return MaskClip(
        backbone=dict(type='ClipViT', arch='TinyViT', fidelity='clip'),
        decode_head=dict(type='MaskClipHead', num_classes=3, text_channels=128, auxiliary=auxiliary,
                         vocabulary=['sky; cloud', 'zebra', 'cookie'], synonyms='separate'),
        test_cfg=dict(mode='whole'))


def test_rows_of_a_class_get_its_sentence_and_others_stay(tmp_path):
    texts = tmp_path / 'texts.txt'
    texts.write_text('Sky: blue light and dark\ncookie: a brown thing\n', encoding='utf-8')
    plain, mixed = _model(), _model(dict(texts=str(texts), weight=0.25))
    for model in (plain, mixed):
        load_clip(model, 'TinyViT')
    asked = _model()
    asked.decode_head.vocabulary = [['blue light and dark'], ['zebra'], ['a brown thing']]
    load_clip(asked, 'TinyViT')
    rows, sentences = (one.decode_head.text.embeddings for one in (plain, asked))
    expected = torch.stack([0.75 * rows[0] + 0.25 * sentences[0],
                            0.75 * rows[1] + 0.25 * sentences[0], rows[2],
                            0.75 * rows[3] + 0.25 * sentences[2]])
    torch.testing.assert_close(mixed.decode_head.text.embeddings, expected)


def test_a_sentence_may_hold_a_semicolon_and_serve_two_classes():
    asked = []

    def encode(sentences):
        asked.extend(sentences)
        return TextBank(torch.tensor([[0.0, 1.0]]), ('one',))

    texts = {'sky': 'here; and there', 'zebra': 'here; and there'}
    mixed = mix_auxiliary(TextBank(torch.eye(2), ('sky', 'zebra')),
                          dict(texts=texts, weight=0.5), encode)
    assert asked == [['here; and there']] and not mixed.normalized
    assert mixed.embeddings.tolist() == [[0.5, 0.5], [0.0, 1.0]]


@cases('auxiliary, words', [
    (dict(texts={'ship': 'floats'}, weight=0.1), "about 'ship', which is none of the classes"),
    (dict(texts={'sky': ''}, weight=0.1), 'expected a sentence for each class'),
    (dict(texts='missing.txt', weight=0.1), 'missing.txt does not exist'),
])
def test_wrong_sentences_are_named(auxiliary, words):
    bank = TextBank(torch.eye(2), ('sky', 'zebra'))
    with pytest.raises(InputError, match=words):
        mix_auxiliary(bank, auxiliary, lambda sentences: bank)


@cases('auxiliary, words', [
    (dict(texts={'sky': 'blue'}), 'decode_head.auxiliary is'),
    (dict(texts={'sky': 'blue'}, weight=2), 'auxiliary.weight'),
    (['sky: blue'], 'decode_head.auxiliary is'),
])
def test_wrong_settings_are_refused(auxiliary, words):
    with pytest.raises(InputError, match=words):
        _model(auxiliary)
