"""Captions say nothing that is not there, and say it in many ways."""

from __future__ import annotations

import numpy as np

from mmseg_maskclip.tinyworld import CLASSES, SYNONYMS
from mmseg_maskclip.tinyworld.captions import caption


def words_of(name: str) -> list[str]:
    return [name, *SYNONYMS[name]]


def named_in(text: str) -> set[str]:
    """Classes a caption names; longest words first, so that melon is not in watermelon."""
    found = set()
    pairs = sorted(((word, name) for name in CLASSES for word in words_of(name)),
                   key=lambda pair: -len(pair[0]))
    for word, name in pairs:
        if word in text:
            found.add(name)
            text = text.replace(word, '#')
    return found


def test_only_what_is_there_and_at_least_one():
    rng = np.random.default_rng(0)
    for _ in range(400):
        names = rng.permutation(CLASSES)[:rng.integers(1, 5)]
        things = [n for n in names if CLASSES.index(n) >= 6]
        stuff = [n for n in names if CLASSES.index(n) < 6]
        named = named_in(caption(things, stuff, rng))
        assert named and named <= set(names)


def test_some_or_all_is_named():
    rng = np.random.default_rng(1)
    texts = [named_in(caption(['zebra', 'melon'], ['sky', 'sand'], rng)) for _ in range(200)]
    for name in ('zebra', 'melon', 'sky', 'sand'):
        assert 0.75 < np.mean([name in text for text in texts]) < 0.99
    assert {len(text) for text in texts} >= {2, 3, 4}


def test_sentences_vary():
    rng = np.random.default_rng(2)
    texts = {caption(['zebra'], ['sand'], rng) for _ in range(200)}
    assert len(texts) > 150
    assert any('beach' in text or 'desert' in text for text in texts)


def test_no_ragged_spaces():
    rng = np.random.default_rng(3)
    for _ in range(300):
        text = caption(['cookie', 'tiger'], ['grass'], rng)
        assert '  ' not in text and text == text.strip()


def test_same_generator_same_caption():
    first, second = (caption(['tiger'], ['water'], np.random.default_rng(7)) for _ in range(2))
    assert first == second


def test_synonyms_cover_all_and_do_not_clash():
    assert set(SYNONYMS) == set(CLASSES)
    every = [word for name in CLASSES for word in words_of(name)]
    assert len(every) == len(set(every))
