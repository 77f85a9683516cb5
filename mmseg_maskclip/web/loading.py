"""The session of a model, with the read-outs that it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Union

from mmseg_maskclip.web.questions import ReadOut
from mmseg_maskclip.web.session import Session

if TYPE_CHECKING:
    from mmseg_maskclip.apis.predictor import Predictor


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
        return load(model, weights, method=read_out.method, ks_thresh=read_out.smoothing,
                    **settings)

    session = Session(load_read_out, ReadOut(method))
    # A mistake ends the command before it serves.
    session.methods = _methods(session.predictor())
    return session


def _methods(predictor: Predictor) -> tuple[str, ...]:
    """Only a named CLIP ViT can be read in several ways."""
    from mmseg_maskclip.engine.predict.configs import METHODS

    chosen = predictor.settings.get('method')
    if chosen is None or predictor.spec.name != predictor.settings['model']:
        return ()
    return METHODS if predictor.spec.kind == 'vit' else (chosen,)
