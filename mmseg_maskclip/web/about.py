"""What the page is told at its start: the model, its words, the choices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from mmseg_maskclip.tinyworld import CLASSES, SYNONYMS
from mmseg_maskclip.web.pictures import MOST_BYTES, SCENES, START_WORDS, TOO_MANY_BYTES
from mmseg_maskclip.web.session import Session

if TYPE_CHECKING:
    from mmseg_maskclip.apis import Predictor

_OWN = "the model's own"
#: ``ks_thresh`` of MaskCLIP: patches less sure than this take the labels of similar ones.
SMOOTHINGS = ((0.0, 'off'), (0.5, 'patches less sure than 0.5'), (1.0, 'every patch'))


def about(session: Session) -> dict[str, Any]:
    """What the page shows before any picture.

    Args:
        session: Whose model it is about.
    """
    predictor, read_out = session.predictor(), session.read_out
    known = known_words(predictor)
    named = bool(session.methods)
    # A config smooths as it says, unless it is given another threshold than 0.
    smoothings = dict(SMOOTHINGS) if named else {**dict(SMOOTHINGS), 0.0: _OWN}
    smoothings.setdefault(read_out.smoothing, str(read_out.smoothing))
    return {
        'model': predictor.settings['model'], 'device': str(predictor.device),
        # A method's own classes are those that it was published with, not what somebody looks for.
        'classes': None if named else predictor.names, 'known': known,
        'words': START_WORDS if known else [], 'contrast': list(predictor.contrast),
        'methods': _methods(session), 'method': read_out.method or '',
        'smoothings': sorted(smoothings.items()), 'smoothing': read_out.smoothing,
        'scenes': SCENES, 'most_bytes': MOST_BYTES, 'too_many_bytes': TOO_MANY_BYTES,
    }


def known_words(predictor: Predictor) -> Optional[list[str]]:
    """The words of an embedded model, which knows no others; None for any other model.

    Args:
        predictor: Of the model.
    """
    if not predictor.spec.weights:
        return None
    return [word for name in CLASSES for word in (name, *SYNONYMS[name])]


def _methods(session: Session) -> list[tuple[str, str]]:
    """What the choice sends and shows; nothing is sent for the model's own."""
    if not session.methods:
        return [('', _OWN)]
    own = session.predictor().settings['method'] if session.read_out.method is None else None
    return [('' if name == own else name, name) for name in session.methods]
