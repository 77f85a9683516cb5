"""A temperature from a few labelled pictures, through the public functions."""

import numpy as np
import pytest
from PIL import Image

from mmseg_maskclip import load
from mmseg_maskclip.tinyworld import CLASSES
from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.utils import InputError

from helpers.cases import cases

WORDS = ['sky', 'bricks', 'giraffe']


@pytest.fixture
def model():
    return load('TinyRN', device='cpu')


@pytest.fixture(scope='module')
def picture():
    return scene(0, 0).image[64:192, 64:192]


@pytest.fixture(scope='module')
def labels():
    """Ids of the words; 255 where the scene shows something else."""
    truth = scene(0, 0).mask[64:192, 64:192]
    found = np.full_like(truth, 255)
    for index, word in enumerate(WORDS):
        found[truth == CLASSES.index(word)] = index
    return found


def _at(scores, temperature):
    """softmax(log p / T) over the first axis."""
    powers = scores.astype(np.float64) ** (1 / temperature)
    return powers / powers.sum(axis=0)


def test_the_temperature_makes_the_labels_most_likely(model, picture, labels, tmp_path):
    Image.fromarray(labels).save(tmp_path / 'labels.png')
    before = model.predict(picture, WORDS, contrast=None)
    scores = np.clip(before.scores, 1e-30, None)
    rows, columns = np.nonzero(labels != 255)

    def unlikely(temperature):
        right = _at(scores, temperature)[labels[rows, columns], rows, columns]
        return -np.log(right).mean()

    fitted = model.calibrate([picture], [tmp_path / 'labels.png'], WORDS, contrast=None)
    assert model.temperature == fitted != 1
    assert all(unlikely(fitted) <= unlikely(fitted * factor) for factor in (0.8, 0.95, 1.05, 1.25))
    after = model.predict(picture, WORDS, contrast=None)
    np.testing.assert_allclose(after.scores, _at(scores, fitted), atol=1e-4)
    assert np.array_equal(after.labels, before.labels)
    assert after.settings['calibrated'] and after.settings['temperature'] == fitted
    assert not before.settings['calibrated']
    # A result keeps the temperature that it was made with.
    np.testing.assert_allclose(before.scores.max(axis=0), before.confidence, atol=1e-6)
    # Twice is once: it is fitted to the plain scores.
    assert model.calibrate([picture], [labels], WORDS, contrast=None) == pytest.approx(fitted)


def test_of_a_large_picture_pixels_all_over_it_count(model):
    picture, truth = scene(0, 0).image[:, :200], scene(0, 0).mask[:, :200]
    found = model.calibrate([picture], [truth], list(CLASSES), contrast=None)
    halves = [model.calibrate([picture[part]], [truth[part]], list(CLASSES), contrast=None)
              for part in (slice(128), slice(128, None))]
    assert min(halves) < found < max(halves)


def test_none_pixels_are_read_with_the_same_temperature(model, picture, labels):
    before = model.predict(picture, WORDS[:1])
    model.calibrate([picture], [labels], WORDS)
    after = model.predict(picture, WORDS[:1])
    assert 0.05 < (before.labels == 255).mean() < 0.95
    assert np.array_equal(after.labels, before.labels)
    assert not np.allclose(after.confidence, before.confidence, atol=0.01)


@cases('pictures, labels, said', [
    (0, [], '0 pictures have 0 label maps'), (1, [], '1 pictures have 0 label maps'),
    (1, [np.zeros((5, 5), np.uint8)], r'a label map has shape \(5, 5\)'),
    (1, [np.full((128, 128), 255, np.uint8)], 'no pixel of the label maps'),
    (1, ['gone.png'], 'label map gone.png does not exist')])
def test_bad_labels_are_named(pictures, labels, said, model, picture):
    with pytest.raises(InputError, match=said):
        model.calibrate([picture] * pictures, labels, WORDS)
    assert model.temperature == 1
