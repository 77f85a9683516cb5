"""Prompts and class names of the earlier ``maskclip`` package."""

from __future__ import annotations

import logging
import weakref
from typing import Sequence, Union

import torch
from torch import Tensor

from mmseg_maskclip.apis.maskclip_package.model import DualEncoder
from mmseg_maskclip.clip import CONTEXT_LENGTH, encode_classes, pick_device, token_ids
from mmseg_maskclip.utils import InputError

# Names of its template sets, and theirs here.
_TEMPLATES = {'maskclip': 'imagenet85', 'base': 'cifar18'}
_BACKGROUND = 'background'
_LOG = logging.getLogger('mmseg')
_LAST: dict[str, weakref.ref[DualEncoder]] = {}


def remember(model: DualEncoder) -> None:
    """Note the model that was loaded last, without keeping it alive."""
    _LAST['model'] = weakref.ref(model)


def tokenize(texts: Union[str, Sequence[str]], context_length: int = CONTEXT_LENGTH,
             truncate: bool = False) -> Tensor:
    """Token ids of prompts.

    Args:
        texts: One prompt, or N.
        context_length: Columns of the result.
        truncate: Cut longer prompts instead of refusing them.

    Returns:
        (N, context_length) int32, zeros after the end token.

    Raises:
        InputError: If these are no prompts, or one is too long.
    """
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, (list, tuple)) or not texts or not all(
            isinstance(one, str) for one in texts):
        raise InputError(f'texts is {texts!r}, expected a prompt or a list of prompts.')
    return token_ids(texts, context_length, truncate).int()


def template_set(templates: str | Sequence[str]) -> str | Sequence[str]:
    """Templates by the earlier package's names, by ours, or as a list of sentences."""
    if isinstance(templates, str):
        return _TEMPLATES.get(templates, templates)
    if not isinstance(templates, (list, tuple)):
        raise InputError(f"templates is {templates!r}, expected 'maskclip', 'base', one of our "
                         "sets, or a list of sentences with '{}'.")
    return templates


def generate_text_embeddings(model: DualEncoder | Sequence[str] | None = None,
                             classnames: Sequence[str] | None = None,
                             templates: str | Sequence[str] = 'maskclip',
                             device: str | torch.device | None = None,
                             feature_layer: int | None = None) -> Tensor:
    """Text embeddings of classes, each the mean over its prompts.

    Also with class names alone, ``generate_text_embeddings(['a dog', 'a cat'])``: then with the
    model that was loaded last in this process, which is logged.

    Args:
        model: The model; it stays where it is.
        classnames: The classes. One named "background" is left out, as in the earlier package.
        templates: ``'maskclip'`` (85 sentences), ``'base'`` (18), one of our sets, or a list.
        device: Where the result goes; None leaves it where the model is.
        feature_layer: As in :meth:`DualEncoder.encode_text`.

    Returns:
        (classes, D) float32, L2-normalised.

    Raises:
        InputError: If there is no model or no class, or an argument is wrong.
    """
    if not isinstance(model, DualEncoder):
        if model is not None and classnames is not None:
            raise InputError(f'model is a {type(model).__name__}, expected what load() gave, or '
                             'the class names alone.')
        classnames = classnames if model is None else model
        model = _last_model()
    names = class_names(classnames)
    encoder = model.require_text()
    rows = encode_classes(encoder, names, template_set(templates), feature_layer)
    return rows.to(model.device if device is None else pick_device(str(device)))


def class_names(names: object) -> list[str]:
    """Checked class names, without the background; the list given stays as it is."""
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        raise InputError(f'classnames is {names!r}, expected a list of class names.')
    kept = [name for name in names if name != _BACKGROUND]
    if len(kept) < len(names):
        _LOG.info("class 'background' gets no text embedding: channels are the other %d classes",
                  len(kept))
    return kept


def _last_model() -> DualEncoder:
    model = _LAST['model']() if _LAST else None
    if model is None:
        raise InputError('no model is loaded: give generate_text_embeddings(model, classnames), or '
                         'call load() first and keep its model.')
    _LOG.info('text embeddings of %s, the model that was loaded last', model.visual.spec.name)
    return model
