"""Pixels that are none of the words: the contrast set, through the public functions."""

import numpy as np
import pytest

from mmseg_maskclip import load
from mmseg_maskclip.tinyworld import CLASSES
from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.tinyworld.textures import TEXTURES
from mmseg_maskclip.utils import InputError

NONE = 255


def ground(*names):
    """Stripes of textures, one below the other, (256, 256, 3) uint8."""
    random = np.random.default_rng(0)
    height = 256 // len(names)
    rows = [TEXTURES[name](height, 256, random) for name in names]
    return np.clip(np.concatenate(rows), 0, 255).astype(np.uint8)


@pytest.fixture(scope='module')
def model():
    return load('TinyRN', device='cpu')


@pytest.fixture(scope='module')
def read(model):
    """A ladybird on bricks below the sky."""
    return model.encode(scene(0, 0).image)


def test_one_word_that_is_not_there_is_found_nowhere(model, read):
    found = read.classify(['zebra'])
    assert (found.labels == NONE).all() and found.areas == {'zebra': 0}
    assert found.confidence.max() < 0.5 and found.presence['zebra'] < 0.5
    assert not found.masks(0.5)['zebra'].any()
    # It is there: the same word, another picture.
    there = model.predict(ground('zebra', 'grass'), ['zebra'])
    assert there.mask('zebra')[:96].mean() > 0.9 and not there.mask('zebra')[160:].any()
    assert there.presence['zebra'] > 0.5


@pytest.mark.parametrize('off', [None, []])
def test_without_a_contrast_set_one_word_takes_all(read, off):
    found = read.classify(['zebra'], contrast=off)
    assert (found.labels == 0).all() and (found.confidence == 1).all()
    assert found.presence is None and found.settings['contrast'] == []
    assert found.masks(0.5)['zebra'].all()
    whole = load('TinyRN', device='cpu', contrast=None)
    assert (whole.predict(scene(0, 0).image, ['zebra']).labels == 0).all() and whole.contrast == ()


def test_confidence_means_the_same_for_one_word_and_for_many(read):
    """Among the same 14 words a pixel's best one has one probability, whoever asks."""
    alone, many = read.classify(['ladybird']), read.classify(['sky', 'bricks', 'ladybird', 'zebra'])
    assert len(alone.settings['contrast']) == 13 and len(many.settings['contrast']) == 10
    sure = alone.mask('ladybird')
    assert sure.mean() > 0.05 and (many.mask('ladybird') == sure).mean() > 0.999
    # 85 prompts a word and 7 a contrast word embed one name not quite alike.
    assert np.abs(many.confidence - alone.confidence)[sure].mean() < 0.01
    for word, value in alone.presence.items():
        assert many.presence[word] == pytest.approx(value, rel=0.1)


def test_presence_of_a_word_does_not_depend_on_the_others(model):
    """Neither where it is next to nothing beside a word that fills the picture."""
    read = model.encode(ground('cookie'))
    words = ['cookie', 'zebra', 'sky']
    many = read.classify(words, contrast=['ladybird']).presence
    for word in words:
        alone = read.classify([word], contrast=['ladybird']).presence[word]
        assert many[word] == pytest.approx(alone, rel=1e-3, abs=0) and alone > 0


@pytest.mark.parametrize('word, left', [('bricks', 'bricks'), ('BRICKS', 'bricks'),
                                        ('brick wall', 'bricks'), ('sand; wall', 'sand')])
def test_a_contrast_word_for_the_same_thing_is_left_out(read, word, left):
    found = read.classify([word])
    assert left in found.settings['contrast_left_out']
    assert sorted(found.settings['contrast'] + found.settings['contrast_left_out']) == (
        sorted(CLASSES))
    if left == 'bricks':
        assert found.areas[word] / found.labels.size > 0.4


def test_the_limit_says_which_contrast_words_are_too_near(model):
    picture = scene(0, 0).image
    assert model.predict(picture, ['cloudy sky']).areas['cloudy sky'] > 20_000
    # Without a limit the contrast set has a better name for the same pixels.
    never = load('TinyRN', device='cpu', contrast_limit=1).predict(picture, ['cloudy sky'])
    assert never.settings['contrast_left_out'] == [] and never.areas['cloudy sky'] < 2_000
    # A name is itself at any limit.
    named = load('TinyRN', device='cpu', contrast_limit=1).predict(picture, ['bricks'])
    assert named.settings['contrast_left_out'] == ['bricks']
    always = load('TinyRN', device='cpu', contrast_limit=-1).predict(picture, ['zebra'])
    assert always.settings['contrast'] == [] and (always.labels == 0).all()
    with pytest.raises(InputError, match='contrast_limit is 2'):
        load('TinyRN', device='cpu', contrast_limit=2).predict(picture, ['zebra'])


def test_contrast_words_of_ones_own(model, read):
    found = read.classify(['sky'], contrast=['wall; brick wall', 'insect'])
    assert found.settings['contrast'] == ['wall', 'insect']
    assert found.mask('sky')[scene(0, 0).mask == CLASSES.index('bricks')].mean() < 0.1
    fixed = load('TinyRN', device='cpu', contrast=['wall; brick wall', 'insect'])
    assert fixed.contrast == ('wall', 'insect')
    assert np.array_equal(fixed.predict(scene(0, 0).image, ['sky']).labels, found.labels)
    # A set for one question replaces that of the model.
    assert model.contrast == CLASSES
    with pytest.raises(InputError, match="does not know the word 'road'"):
        read.classify(['sky'], contrast=['road'])


@pytest.mark.parametrize('contrast, smoothed', [
    (None, 0.0), (None, 1.0), (['sky', 'clouds'], 0.0)])
def test_prompt_denoising_that_drops_every_word_leaves_none(contrast, smoothed):
    """Two names of one thing share its pixels, so neither is ever sure."""
    model = load('TinyRN', device='cpu', pd_thresh=0.9, ks_thresh=smoothed, contrast=contrast)
    found = model.predict(ground('grass', 'sky'), ['lawn', 'meadow'])
    assert (found.labels == NONE).all() and not found.scores.any()
    assert found.areas == {'lawn': 0, 'meadow': 0}
    assert not any(mask.any() for mask in found.masks(0.1).values())


def test_prompt_denoising_in_windows_drops_words_window_by_window():
    model = load('TinyViT8', method='naclip', device='cpu', pd_thresh=0.9, contrast=None)
    found = model.predict(ground('grass', 'grass', 'grass', 'tiger'), ['lawn', 'meadow', 'tiger'])
    assert found.mask('tiger')[200:].mean() > 0.9
    # No window up there has a word left; further down the one that has tiger decides.
    assert (found.labels[:64] == NONE).all() and not found.confidence[:64].any()


def test_prompt_denoising_spares_the_contrast_words(model):
    """Three words for grass are each unsure; without them the cookie would take all."""
    picture = ground('grass', 'cookie')
    contrast = ['grass', 'lawn', 'meadow']
    plain = model.predict(picture, ['cookie'], contrast=contrast)
    found = load('TinyRN', device='cpu', pd_thresh=0.9).predict(picture, ['cookie'],
                                                                contrast=contrast)
    assert np.array_equal(found.labels, plain.labels)
    assert found.mask('cookie')[160:].mean() > 0.9 and (found.labels[:96] == NONE).all()


def test_closing_leaves_none_as_it_is_for_many_words():
    model = load('TinyRN', device='cpu', options={'model.refine': [{'type': 'Closing', 'size': 9}]})
    read = model.encode(scene(0, 0).image[80:176])
    few = {name: [name] for name in ('sky', 'tiger', 'grass')}
    many = {f'{name} {number}': [name] for number in range(86) for name in few}
    contrast = ['bricks', 'ladybird', 'strawberry', 'giraffe']
    found, expected = (read.classify(words, contrast=contrast) for words in (many, few))
    assert found.none == 65535 and 0.1 < (expected.labels == NONE).mean() < 0.9
    assert np.array_equal(found.labels == found.none, expected.labels == NONE)
