"""Words of a model as a bank for its exported form."""

from __future__ import annotations

from typing import Optional

import numpy as np

from mmseg_maskclip.engine.predict.vocabulary import Classes, Vocabularies
from mmseg_maskclip.models import ZegClip
from mmseg_maskclip.portable.bank import WordBank
from mmseg_maskclip.utils import to_plain


def word_bank(classes: Classes, vocabularies: Vocabularies) -> WordBank:
    """A bank of some classes.

    Args:
        classes: Output of ``vocabularies.classes``.
        vocabularies: Of the model.
    """
    built = vocabularies.built
    text = classes.bank
    background = built.model.decode_head.background
    sha256 = classes.text_sha256 or built.record['sha256']
    return WordBank(
        classes.names, classes.palette, text.embeddings.cpu().numpy(),
        text.row_class.cpu().numpy() + background, classes.contrast, classes.left_out,
        built.spec.name, sha256, to_plain(built.templates),
        _offset(classes, vocabularies))


def _offset(classes: Classes, vocabularies: Vocabularies) -> Optional[np.ndarray]:
    """What a ZegCLIP takes from the scores of the classes it has seen."""
    model = vocabularies.built.model
    if not isinstance(model, ZegClip):
        return None
    with vocabularies.lock:
        vocabularies.set(classes)
        offset = model.class_offset
    return None if offset is None else offset.cpu().numpy()
