"""Prompt templates: sentences with a place for the class name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Union

from mmseg_maskclip.utils import InputError

_FOLDER = Path(__file__).parent / 'data' / 'templates'
_PLACE = '{}'
_OPENAI_COUNT = 80
# OpenAI's 80 open the list of 85, so they are kept once.
_FIRST_OF_85 = ('openai80', 'imagenet80')
_SETS = ('imagenet85', *_FIRST_OF_85, 'openai7', 'zegclip15', 'cifar18', 'single')
TemplateSource = Union[str, Sequence[str]]


def list_templates() -> tuple[str, ...]:
    """Names of the template sets."""
    return _SETS


def load_templates(source: TemplateSource = 'imagenet85') -> tuple[str, ...]:
    """Templates of a set, or a checked list of one's own.

    Args:
        source: ``'imagenet85'`` (OpenAI's 80 for ImageNet and 5 of a scene, as
            MaskCLIP uses), ``'openai80'`` (also ``'imagenet80'``), ``'openai7'`` (the seven
            of these that OpenAI found enough), ``'zegclip15'``, ``'cifar18'``, ``'single'``
            (``a photo of a {}.``), or a list of sentences, each with one ``{}``.

    Returns:
        The sentences, ``{}`` standing for the class name.

    Raises:
        InputError: If the set is unknown, the list empty, or a sentence has
            no ``{}`` or several.
    """
    if isinstance(source, str):
        if source not in _SETS:
            raise InputError(f"unknown template set '{source}', expected one of "
                             f"{', '.join(_SETS)}, or a list of sentences with '{_PLACE}'.")
        stem = 'imagenet85' if source in _FIRST_OF_85 else source
        lines = (_FOLDER / f'{stem}.txt').read_text(encoding='utf-8').splitlines()
        return tuple(lines[:_OPENAI_COUNT] if source in _FIRST_OF_85 else lines)
    if not isinstance(source, Iterable):
        raise InputError(f'templates are {source!r}, expected a template set or a list of '
                         f"sentences with '{_PLACE}'.")
    templates = tuple(source)
    if not templates:
        raise InputError('the list of templates is empty, expected at least one.')
    for template in templates:
        if not isinstance(template, str) or template.count(_PLACE) != 1:
            raise InputError(f"template {template!r} has no '{_PLACE}' or several, expected "
                             'exactly one, for the class name.')
    return templates


def templates_name(source: TemplateSource) -> str:
    """What to call a template source: the name of the set, or ``'custom'``.

    Args:
        source: As for :func:`load_templates`.
    """
    return source if isinstance(source, str) else 'custom'


def fill_template(template: str, name: str) -> str:
    """A prompt.

    Args:
        template: A sentence with one ``{}``.
        name: The class name, put in verbatim.
    """
    # Not str.format: a class name may hold braces.
    return template.replace(_PLACE, name)
