"""Models as files that run elsewhere, and banks of words for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from mmseg_maskclip.apis.loading import load
from mmseg_maskclip.apis.predictor import Predictor
from mmseg_maskclip.engine.predict.configs import Settings
from mmseg_maskclip.engine.predict.contrast import DEFAULT, Contrast
from mmseg_maskclip.engine.predict.words import Words
from mmseg_maskclip.export.banks import word_bank
from mmseg_maskclip.export.run import Exported, export, require_target
from mmseg_maskclip.export.supported import require_supported
from mmseg_maskclip.portable.bank import SUFFIX, WordBank

if TYPE_CHECKING:
    # Not before what silences its remarks on import.
    from mmcv import Config


def export_model(model: str | Path | Config, out: str | Path, to: str = 'onnx',
                 words: Words | None = None, *, contrast: Contrast = DEFAULT, int8: bool = False,
                 **loading: Any) -> Exported:
    """Write a model as a graph from an image and a text bank to scores on the grid.

    The file is compared with the model, at three sizes and with two banks, before it gets its
    name. Words go into a bank beside it, ``NAME.npz``; other words need another bank, no other
    export.

    Args:
        model: As for ``load``: MaskCLIP on both towers, the read-outs clip, sclip, clearclip,
            naclip and gem, a trained student, or a ZegCLIP.
        out: The file, ``*.onnx`` or ``*.pt2``.
        to: ``'onnx'``, or ``'torch-export'`` for ``torch.export.load``.
        words: As for ``Predictor.predict``; None for the model's own, if it has any.
        contrast: What they compete with.
        int8: Whether the weights of linear layers get 8 bits, for ONNX Runtime. Then labels may
            differ: the check counts them.
        loading: What else ``load`` takes.

    Raises:
        InputError: If the model can't be exported, which is said before it is loaded where its
            method or config says so; or if what was written gives other labels. Then there is
            no file.
    """
    require_exportable(model, out, to, int8, **loading)
    predictor = load(model, device='cpu', **loading)
    bank = None
    if words is not None or predictor.names is not None:
        bank = make_bank(predictor, words, contrast=contrast)
    return export_loaded(predictor, out, to, bank, int8)


def require_exportable(model: str | Path | Config, out: str | Path, to: str = 'onnx',
                       int8: bool = False, **loading: Any) -> None:
    """Refuse what :func:`export_model` can't do, before anything is loaded.

    Args:
        model: As there.
        out: As there.
        to: As there.
        int8: As there.
        loading: As there.

    Raises:
        InputError: As there.
    """
    known = {name: loading[name] for name in Settings.__dataclass_fields__ if name in loading}
    require_supported(model, Settings(**known))
    require_target(out, to, int8)


def export_loaded(predictor: Predictor, out: str | Path, to: str, bank: Optional[WordBank],
                  int8: bool = False) -> Exported:
    """:func:`export_model` of a model that is loaded, and that :func:`require_exportable` took.

    Args:
        predictor: The model, on the CPU.
        out: As there.
        to: As there.
        bank: Its words; None for none.
        int8: As there.

    Raises:
        InputError: As there.
    """
    written = export(predictor._vocabularies, out, to, int8, predictor.temperature, bank)
    beside = None if bank is None else bank.save(written.path.with_suffix(SUFFIX))
    return written._replace(bank=beside)


def make_bank(predictor: Predictor, words: Words | None = None, *,
              contrast: Contrast = DEFAULT) -> WordBank:
    """Words and what they compete with, for a model that was exported.

    Args:
        predictor: The model itself, or one of the same CLIP model.
        words: As for ``Predictor.predict``.
        contrast: As there.

    Returns:
        The bank; its ``save`` writes it.

    Raises:
        InputError: As ``Predictor.predict``.
    """
    classes = predictor._classes(words, contrast, 0.0)
    return word_bank(classes, predictor._vocabularies)
