"""What one run of the page keeps in memory: models, a few pictures and their features."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence, Union

from mmseg_maskclip.portable.pictures import Picture, TooLargeError, read_picture
from mmseg_maskclip.utils import InputError
from mmseg_maskclip.web.jobs import Check
from mmseg_maskclip.web.maps import LONGEST_SIDE, shown_pixels
from mmseg_maskclip.web.pictures import MOST_PIXELS, TOO_MANY_PIXELS, plain_name
from mmseg_maskclip.web.questions import DEFAULT, FieldError, Question, ReadOut
from mmseg_maskclip.web.recent import Recent

if TYPE_CHECKING:
    import numpy as np

    from mmseg_maskclip.apis import EncodedPicture, Predictor, Segmentation

_PICTURES = 2
_READ_OUTS = 2


class GoneError(InputError):
    """The picture is no longer kept: the page sends it again."""


@dataclass(frozen=True)
class KeptPicture:
    """A picture in memory, and its features for each read-out that was asked for.

    Attributes:
        picture: Its pixels and its plain file name.
        encoded: Features by read-out.
    """

    picture: Picture
    encoded: Recent[ReadOut, EncodedPicture] = field(default_factory=lambda: Recent(_READ_OUTS))


class Session:
    """Answers questions about pictures; models are used by one job at a time.

    Args:
        load: Makes the predictor of a read-out, or raises
            :class:`~mmseg_maskclip.utils.InputError`.
        read_out: What the page starts with.
        methods: Names of the read-outs to choose from.
    """

    def __init__(self, load: Callable[[ReadOut], Predictor], read_out: ReadOut,
                 methods: Sequence[str] = ()) -> None:
        self.read_out = read_out
        self.methods = tuple(methods)
        self._load = load
        self._predictors: Recent[ReadOut, Predictor] = Recent(_READ_OUTS)
        self._pictures: Recent[str, KeptPicture] = Recent(_PICTURES)
        # A file after the labels, or three files, cost no further classification.
        self._result: Recent[tuple[Question, bool], Segmentation] = Recent(2)

    def predictor(self, read_out: Optional[ReadOut] = None) -> Predictor:
        """The predictor of a read-out, loaded if it is not kept.

        Args:
            read_out: None for the one that the page starts with.

        Raises:
            FieldError: If this model does not have the read-out.
        """
        wanted = read_out or self.read_out
        kept = self._predictors.get(wanted)
        if kept is not None:
            return kept
        if wanted.method not in (*self.methods, self.read_out.method):
            raise FieldError('method', f'method is {wanted.method!r}, expected one of '
                                       f'{", ".join(self.methods)}.')
        try:
            return self._predictors.put(wanted, self._load(wanted))
        except InputError as error:
            same = wanted.method == self.read_out.method
            raise FieldError('smoothing' if same else 'method', str(error)) from error

    def add(self, content: bytes, name: str) -> dict[str, Any]:
        """Take a picture in.

        Args:
            content: The file.
            name: Its name.

        Returns:
            ``id``, ``height`` and ``width``.

        Raises:
            FieldError: If it is no picture, or one that is too large.
        """
        try:
            rgb = read_picture(content, MOST_PIXELS).rgb
        except TooLargeError as error:
            raise FieldError('picture', TOO_MANY_PIXELS) from error
        except InputError as error:
            raise FieldError('picture', str(error)) from error
        return self.add_pixels(rgb, plain_name(name))

    def add_pixels(self, rgb: np.ndarray, name: str) -> dict[str, Any]:
        """Take a picture in that is decoded.

        Args:
            rgb: (H, W, 3) uint8.
            name: Its plain file name.

        Returns:
            As :meth:`add`.
        """
        identity = secrets.token_hex(8)
        self._pictures.put(identity, KeptPicture(Picture(rgb, name)))
        return {'id': identity, 'height': rgb.shape[0], 'width': rgb.shape[1]}

    def picture(self, identity: str) -> KeptPicture:
        """A picture that was taken in.

        Args:
            identity: Its id.

        Raises:
            GoneError: If it is not kept.
        """
        kept = self._pictures.get(identity)
        if kept is None:
            raise GoneError('this picture is no longer kept: choose it again.')
        return kept

    def answer(self, question: Question, check: Check = lambda: None,
               shown: bool = False) -> tuple[Segmentation, bool]:
        """Labels of a picture.

        Args:
            question: What is asked.
            shown: Whether of the pixels alone that the page shows.
            check: Called between the steps; stops a superseded job.

        Returns:
            The result, and whether the features were kept from an earlier question.

        Raises:
            FieldError: If words, contrast words or read-out are wrong.
            GoneError: If the picture is not kept.
        """
        kept = self.picture(question.picture)
        encoded = kept.encoded.get(question.read_out)
        reused = encoded is not None
        if encoded is None:
            predictor = self.predictor(question.read_out)
            check()
            encoded = kept.encoded.put(question.read_out, predictor.encode(kept.picture))
            check()
        whole = replace(question, threshold=0.0)
        # Most pictures are shown as they are, and files then need no labels of their own.
        fewer = shown and max(encoded.size) > LONGEST_SIDE
        places = shown_pixels(*encoded.size) if fewer else None
        key = (whole, fewer)
        result = self._result.get(key) or self._result.put(key, _classify(encoded, whole, places))
        return result.rethreshold(question.threshold), reused


def open_session(model: str = 'TinyRN', weights: Union[str, Path, None] = None,
                 method: Optional[str] = None, **settings: Any) -> Session:
    """Load a model for the page.

    Args:
        model: As :func:`mmseg_maskclip.load`.
        weights: As there.
        method: As there.
        settings: ``device`` and ``size``, as there.

    Raises:
        InputError: If the model can't be loaded.
    """
    from mmseg_maskclip.apis import load

    def load_read_out(read_out: ReadOut) -> Predictor:
        """Load the model once more, read in another way."""
        return load(model, weights, method=read_out.method, ks_thresh=read_out.smoothing,
                    **settings)

    session = Session(load_read_out, ReadOut(method))
    # A mistake ends the command before it serves.
    session.methods = _methods(session.predictor())
    return session


def _methods(predictor: Predictor) -> tuple[str, ...]:
    """Only a named CLIP ViT can be read in several ways."""
    from mmseg_maskclip.apis import METHODS

    chosen = predictor.settings.get('method')
    if chosen is None or predictor.spec.name != predictor.settings['model']:
        return ()
    return METHODS if predictor.spec.kind == 'vit' else (chosen,)


def _classify(encoded: EncodedPicture, question: Question, places: Any) -> Segmentation:
    words = None if question.words is None else list(question.words)
    settings: dict[str, Any] = {'places': places}
    if question.contrast != DEFAULT:
        settings['contrast'] = question.contrast and list(question.contrast)
    try:
        return encoded.classify(words, **settings)
    except InputError as error:
        raise FieldError(_wrong_field(encoded, words, question), str(error)) from error


def _wrong_field(encoded: EncodedPicture, words: Optional[list[str]], question: Question) -> str:
    """Where the mistake stands: in the contrast words, if the user's words alone are right."""
    if question.contrast in (None, DEFAULT):
        return 'words'
    try:
        encoded.classify(words, contrast=None)
    except InputError:
        return 'words'
    return 'contrast'
