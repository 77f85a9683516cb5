"""What a user looks for: words, in any of the forms they are given in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Mapping, Optional, Sequence, Union

from mmseg_maskclip.clip import Phrase, Vocabulary, load_templates, load_vocabulary
from mmseg_maskclip.clip.text.templates import TemplateSource
from mmseg_maskclip.clip.text.vocabulary import Source
from mmseg_maskclip.utils import InputError, is_one_line

_PLACE = '{}'
_MOST = 65534
Words = Union[Source, Mapping[str, Sequence[str]]]


@dataclass(frozen=True)
class WordSet:
    """Words, and the prompts of each.

    Attributes:
        names: One a word, what it is called in results.
        phrases: What each word is embedded by.
        colors: RGB of each word where its list has some.
    """

    names: tuple[str, ...]
    phrases: tuple[tuple[Phrase, ...], ...]
    colors: Optional[tuple[tuple[int, int, int], ...]] = None

    @property
    def all_names(self) -> set[str]:
        """Names and synonyms, in lower case."""
        return {phrase.name.lower() for group in self.phrases for phrase in group} | {
            name.lower() for name in self.names}


def word_set(words: Words, templates: TemplateSource, what: str = 'words') -> WordSet:
    """Words from a list, a dict, a file or a published set.

    Args:
        words: A list of names (``'road; street'`` has synonyms), a dict of
            prompts by name, or what else ``load_vocabulary`` takes. Prompts are
            taken as they are; ``{}`` in one is the name.
        templates: What names are put into.
        what: What the words are for, used in errors.

    Raises:
        InputError: If there are none, too many, or some are of another form.
    """
    if isinstance(words, Mapping):
        found = _from_prompts(words, what)
    else:
        vocabulary = _vocabulary(words, what)
        sentences = load_templates(templates)
        found = WordSet(vocabulary.class_names, tuple(
            tuple(Phrase(name, sentences) for name in entry) for entry in vocabulary.entries),
            vocabulary.colors)
    if len(found.names) > _MOST:
        raise InputError(f'{what} are {len(found.names)}, expected at most {_MOST}: a label map '
                         'has 16 bits.')
    return found


def _vocabulary(words: Source, what: str) -> Vocabulary:
    if isinstance(words, (list, tuple)) and not words:
        raise InputError(f"the list of {what} is empty, expected at least one, such as ['cat'].")
    try:
        return load_vocabulary(words, what if isinstance(words, str) else f'the list of {what}')
    except InputError as error:
        if isinstance(words, str) and str(error).startswith('unknown class set'):
            raise InputError(f'{what} are {words!r}, which is neither a published set nor a file: '
                             f'expected a list, such as [{words!r}].') from error
        raise


def _from_prompts(words: Mapping[str, Sequence[str]], what: str) -> WordSet:
    load_vocabulary(list(words), f'the list of {what}')
    groups = []
    for name, prompts in words.items():
        prompts = [prompts] if isinstance(prompts, str) else prompts
        if not isinstance(prompts, Sequence) or not prompts or not all(
                isinstance(prompt, str) and prompt.strip() and is_one_line(prompt)
                for prompt in prompts):
            raise InputError(f'the prompts of {name!r} are {prompts!r}, expected a list of '
                             "sentences, such as ['a photo of a cat'].")
        groups.append(tuple(Phrase(prompt.replace(_PLACE, name), (_PLACE,)) for prompt in prompts))
    return WordSet(tuple(words), tuple(groups))
