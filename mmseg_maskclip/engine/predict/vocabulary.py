"""Words and contrast words as the classes of a model."""

from __future__ import annotations

import threading
from typing import NamedTuple, Optional

import torch

from mmseg_maskclip.clip import NameEncoder, TextBank
from mmseg_maskclip.datasets.palettes import make_palette
from mmseg_maskclip.engine.predict.build import Built
from mmseg_maskclip.engine.predict.contrast import (
    DEFAULT,
    NEAR,
    Contrast,
    ContrastSet,
    contrast_against,
    contrast_words,
)
from mmseg_maskclip.engine.predict.words import Words, WordSet, word_set
from mmseg_maskclip.models import MaskClip, ZegClip
from mmseg_maskclip.utils import InputError, require_number

Colours = tuple[tuple[int, int, int], ...]
_BACKGROUND = 'background'


class Classes(NamedTuple):
    """The classes of a picture's labels, and what competes with them.

    Attributes:
        names: K names, those of the labels.
        palette: RGB of each.
        bank: Text embeddings of these and of the contrast words, as the model's
            head takes them: without a background that it has learned.
        contrast: M contrast words.
        left_out: Contrast words that are too near to one of the names.
        text_sha256: Of the CLIP file that embedded words; None if none did.
    """

    names: tuple[str, ...]
    palette: Colours
    bank: TextBank
    contrast: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    text_sha256: Optional[str] = None


class Vocabularies:
    """Gives a model the classes that a user asks for, one set after the other.

    Args:
        built: The model.
        near: Cosine above which a contrast word counts as a user's word.

    Raises:
        InputError: If ``near`` is not a cosine.
    """

    def __init__(self, built: Built, near: float = NEAR) -> None:
        self.built = built
        self.near = require_number(near, 'contrast_limit', minimum=-1, maximum=1)
        #: Held while the model has the classes of one caller.
        self.lock = threading.RLock()
        self._encoder: Optional[NameEncoder] = None
        self._made: dict = {}
        self._set: Optional[Classes] = None
        self._unseen = getattr(built.model, 'unseen', ())

    @property
    def encoder(self) -> NameEncoder:
        """Embeds words.

        Raises:
            InputError: If there is no file with the text tower.
        """
        if self._encoder is None:
            encoder = self.built.make_encoder()
            width = self.built.model.decode_head.text_channels
            if encoder.spec.embed_dim != width:
                raise InputError(f'the words are encoded by {encoder.spec.name} with width '
                                 f'{encoder.spec.embed_dim}, the model was trained with width '
                                 f'{width}: give its CLIP file as clip_weights.')
            self._encoder = encoder
        return self._encoder

    def classes(self, words: Optional[Words], contrast: Contrast) -> Classes:
        """The classes that are asked for.

        Args:
            words: The user's, None for those the model was trained for.
            contrast: As :func:`contrast_words`; by default none where the model
                keeps its own classes.

        Raises:
            InputError: If words are missing, or can't be embedded.
        """
        chosen = None if words is None else word_set(words, self.built.templates)
        if chosen is None and self.built.names is None:
            raise InputError("the model has no classes of its own: give words, such as "
                             "predict(picture, ['cat', 'grass; lawn']).")
        if contrast == DEFAULT and chosen is None and self.built.bank is not None:
            contrast = None
        others = contrast_words(contrast, self.built.spec)
        key = (chosen, others)
        with self.lock:
            if key not in self._made:
                # One set is asked for again and again; a page goes back to the one before.
                if len(self._made) >= 8:
                    self._made.clear()
                self._made[key] = self._make(chosen, others)
            return self._made[key]

    def _make(self, chosen: Optional[WordSet], others: Optional[WordSet]) -> Classes:
        if chosen is None and self.built.bank is None:
            chosen = word_set(list(self.built.names or ()), self.built.templates)
        if chosen is None:
            names, own = self.built.names or (), self.built.bank
            palette = self.built.palette or _palette(len(names))
            head = self.built.model.decode_head
            chosen = WordSet(names[head.background:], ())
        else:
            own = TextBank(self.encoder.embed(chosen.phrases), chosen.names)
            palette = chosen.colors or _palette(len(chosen.names))
            names = chosen.names
            if self.built.model.decode_head.background:
                # A student's own background stays class 0, whatever else it looks for.
                names, palette = (_BACKGROUND, *names), ((0, 0, 0), *palette)
        found = ContrastSet((), own.embeddings[:0])
        if others is not None:
            found = contrast_against(others, chosen, own.embeddings, self.encoder, self.near)
        encoded = own is not self.built.bank or others is not None
        return Classes(names, palette, _joined(own, found), found.names, found.left_out,
                       self.encoder.sha256 if encoded else None)

    def set(self, classes: Classes) -> None:
        """Give the model these classes; call it with the lock held.

        Args:
            classes: Output of :meth:`classes`.
        """
        if classes is self._set:
            return
        model = self.built.model
        model.replace_classes(classes.bank)
        if isinstance(model, MaskClip):
            model.decode_head.num_contrast = len(classes.contrast)
        if isinstance(model, ZegClip) and not classes.contrast and (
                classes.names == self.built.names):
            # Of its own classes it knows which ones it has not seen.
            model.unseen = self._unseen
        self._set = classes

    def forget(self) -> None:
        """Say that somebody else has given the model other classes; call it with the lock held."""
        self._set = None


def _joined(bank: TextBank, contrast: ContrastSet) -> TextBank:
    if not contrast.names:
        return bank
    count = len(bank.class_names)
    behind = torch.arange(count, count + len(contrast.names))
    return TextBank(torch.cat([bank.embeddings, contrast.embeddings]),
                    (*bank.class_names, *contrast.names), torch.cat([bank.row_class, behind]),
                    (*bank.row_names, *contrast.names))


def _palette(count: int) -> Colours:
    return tuple((red, green, blue) for red, green, blue in make_palette(count))
