"""Captions in varied sentences, naming some or all of what a picture shows."""

from __future__ import annotations

from typing import Sequence

from numpy.random import Generator

from mmseg_maskclip.tinyworld.classes import CLASSES, SYNONYMS

_SYNONYM_SHARE = 0.15
_NAMED_SHARE = 0.85
_UNCOUNTED = frozenset(
    ('grass', 'sky', 'sand', 'water', 'bricks', 'forest', 'clouds', 'cloudy sky', 'trees',
     'woods', 'zebras', 'tigers', 'giraffes', 'strawberries', 'fruit'))

# Repeated entries are drawn more often.
STARTS = (
    '', '', 'a photo of ', 'a photo of ', 'a picture of ', 'an image of ', 'a good photo of ',
    'a bad photo of ', 'a bright photo of ', 'a dark photo of ', 'a close-up photo of ',
    'a cropped photo of ', 'a blurry photo of ', 'a low resolution photo of ',
    'a rendering of ', 'a drawing of ', 'this is ', 'there is ', 'here we see ', 'look at ')
_ADJECTIVES = ('', '', '', '', 'large ', 'small ', 'nice ', 'clean ', 'cool ', 'weird ', 'round ')
_BOTH = (
    '{start}{things} on {stuff}', '{start}{things} in front of {stuff}',
    '{start}{things} with {stuff}', '{start}{things} and {stuff}', '{start}{stuff} with {things}',
    '{start}{stuff} behind {things}', '{start}{stuff} and {things}',
    '{start}{things}, {stuff} in the background', '{start}{things} by {stuff} in the scene')
_ONE = ('{start}{only}', '{start}{only}', '{start}{only} in the scene')


def caption(things: Sequence[str], stuff: Sequence[str], rng: Generator) -> str:
    """One sentence about a picture.

    Each class is named with a probability of 0.85, at least one always is, and
    nothing that is not in the picture ever is; now and then by a synonym.

    Args:
        things: The things in the picture.
        stuff: The stuff in the picture.
        rng: Source of randomness.
    """
    named_things, named_stuff = _some(things, stuff, rng)
    words = {'start': str(rng.choice(STARTS))}
    if named_things and named_stuff:
        words['things'] = _list(named_things, rng)
        words['stuff'] = _list(named_stuff, rng)
        form = rng.choice(_BOTH)
    else:
        words['only'] = _list(named_things or named_stuff, rng)
        form = rng.choice(_ONE)
    sentence = str(form).format(**words)
    return sentence + '.' if rng.random() < 0.5 else sentence


def all_phrases() -> list[str]:
    """Captions that together hold every word a caption can hold."""
    names = [*CLASSES, *(word for words in SYNONYMS.values() for word in words)]
    forms = [form.replace('{', ' {').format(start='', things='', stuff='', only='')
             for form in (*_BOTH, *_ONE)]
    return [*names, *STARTS, *_ADJECTIVES, *forms, 'a the some an and , .', *_glued(names)]


def _glued(names: Sequence[str]) -> list[str]:
    """Names with the marks that may follow them, which can merge into one token."""
    return [name + mark for name in names for mark in (',', '.')]


def _some(things: Sequence[str], stuff: Sequence[str],
          rng: Generator) -> tuple[list[str], list[str]]:
    """Leave out a class now and then, but not all of them; shuffle the rest."""
    present = [*things, *stuff]
    keep = rng.random(len(present)) < _NAMED_SHARE
    # A caption must name something.
    keep[rng.integers(len(present))] = True
    named = {name for name, kept in zip(present, keep) if kept}
    return ([str(n) for n in rng.permutation(list(things)) if n in named],
            [str(n) for n in rng.permutation(list(stuff)) if n in named])


def _list(names: Sequence[str], rng: Generator) -> str:
    """``a zebra and the cookie``: each name with an article, perhaps an adjective."""
    return ' and '.join(_phrase(name, rng) for name in names)


def _phrase(name: str, rng: Generator) -> str:
    word = name
    if rng.random() < _SYNONYM_SHARE:
        word = str(rng.choice(SYNONYMS[name]))
    adjective = str(rng.choice(_ADJECTIVES))
    if word in _UNCOUNTED:
        article = str(rng.choice(('', 'the ', 'some ')))
    else:
        article = str(rng.choice(('', 'a ', 'the ')))
    return article + adjective + word
