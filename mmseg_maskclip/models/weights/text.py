"""Which text bank a model gets: a prepared file, a cached one, or a new one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence, Union

import torch
from mmcv.utils import print_log

from mmseg_maskclip.clip import (
    ClipCheckpoint,
    ClipSpec,
    TextBank,
    bank_path,
    cached_text_bank,
    list_vocabularies,
    load_vocabulary,
    read_clip_checkpoint,
)
from mmseg_maskclip.clip.text.auxiliary import mix_auxiliary
from mmseg_maskclip.models.decode_heads.text_head import TextHead
from mmseg_maskclip.utils import InputError

Names = Union[str, Sequence[Union[str, Sequence[str]]], None]


@dataclass(frozen=True)
class WantedBank:
    """What a text bank is made from.

    Attributes:
        vocabulary: A published class set, a text file, or a list of names.
        templates: A template set, or a list.
        synonyms: ``'mean'`` or ``'separate'``.
        normalize: Whether the mean over prompts is L2-normalised.
    """

    vocabulary: Names
    templates: Union[str, Sequence[str]]
    synonyms: str = 'mean'
    normalize: bool = True


def find_bank(wanted: WantedBank, spec: ClipSpec, checkpoint: ClipCheckpoint,
              device: str | torch.device) -> TextBank:
    """The wanted bank: prepared, cached or built now.

    A prepared ``{set}_{MODEL}_clip_text.pth`` (not normalised:
    ``..._clip_text_features.pth``) is looked for beside the checkpoint and in
    ``pretrain/``, for the published weights and the default prompts only:
    other weights of the same architecture have other text embeddings.

    Args:
        wanted: What it is made from.
        spec: The CLIP model.
        checkpoint: Its file, which may hold the text tower.
        device: Where prompts are encoded.

    Raises:
        InputError: If there is none and none can be built.
    """
    if wanted.vocabulary is None:
        raise InputError("the config names no classes: set model.decode_head.vocabulary, or "
                         'give --classes to tools/test.py.')
    vocabulary = load_vocabulary(wanted.vocabulary)
    if _prepared_fits(wanted, checkpoint, spec):
        name = bank_path(vocabulary.name, spec.short_name, normalized=wanted.normalize).name
        for folder in (Path(checkpoint.path).parent, Path('pretrain')):
            if (folder / name).is_file():
                bank = TextBank.load(folder / name)
                # Files of the earlier tools do not name their templates.
                if bank.templates not in (None, wanted.templates):
                    continue
                bank.check(class_names=vocabulary.class_names, clip=spec.name)
                print_log(f'Text bank: {folder / name}', 'mmseg')
                return bank
    if not checkpoint.text:
        checkpoint = _text_tower_beside(checkpoint, spec, vocabulary.name)
    return cached_text_bank(checkpoint, spec, vocabulary, templates=wanted.templates,
                            synonyms=wanted.synonyms, normalize=wanted.normalize, device=device)


def _prepared_fits(wanted: WantedBank, checkpoint: ClipCheckpoint, spec: ClipSpec) -> bool:
    """Whether a prepared bank equals the wanted one."""
    published = not checkpoint.text or (
        spec.sha256 is not None and checkpoint.sha256.startswith(spec.sha256))
    return (published and wanted.vocabulary in list_vocabularies() and wanted.synonyms == 'mean'
            and wanted.templates == 'imagenet85')


def _text_tower_beside(checkpoint: ClipCheckpoint, spec: ClipSpec,
                       vocabulary: str) -> ClipCheckpoint:
    """The full CLIP file beside one that holds the image tower alone."""
    for folder in (Path(checkpoint.path).parent, Path('pretrain')):
        name = Path(spec.filename or spec.short_name)
        for suffix in (name.suffix, '.safetensors'):
            file = (folder / name).with_suffix(suffix)
            if spec.filename and file.is_file():
                return read_clip_checkpoint(file).check(spec)
    make = (f'python tools/maskclip_utils/prompt_engineering.py --model {spec.short_name} '
            f'--class-set {vocabulary}') if (
                spec.open_clip_name and vocabulary in list_vocabularies()) else (
            'give the full CLIP file as the checkpoint')
    raise InputError(f'there is no text bank of {vocabulary!r} for CLIP model {spec.name}, and '
                     f'{checkpoint.path} holds no text tower to build it from: {make}')


def named_bank(path: str | Path, vocabulary: Names, shape: tuple[int, int],
               spec: ClipSpec | None = None) -> TextBank:
    """The bank that a config names.

    Args:
        path: The file.
        vocabulary: Its classes, where they are known.
        shape: (K, D), which a file without class names must have.
        spec: The CLIP model it must be of.

    Raises:
        InputError: If it is missing, or of other classes, another shape or model.
    """
    names = load_vocabulary(vocabulary).class_names if vocabulary else None
    return TextBank.load(path, shape).check(names, clip=spec.name if spec else None)


def load_text(head: TextHead, spec: ClipSpec, checkpoint: ClipCheckpoint,
              device: str | torch.device = 'cpu') -> None:
    """Set the text bank of a head: the named file, a prepared one, or a new one.

    Args:
        head: The head; its ``vocabulary``, ``templates``, ``synonyms`` and
            ``text_embeddings_path`` describe the bank, ``contrast_words`` what
            stands behind it, ``auxiliary`` what is mixed into it.
        spec: The CLIP model of the embeddings.
        checkpoint: The CLIP file, which may hold the text tower.
        device: Where prompts are encoded.

    Raises:
        InputError: If there is no bank and none can be built, or it is of
            other classes or another CLIP model.
    """
    if head.text_embeddings_path:
        bank = named_bank(head.text_embeddings_path, head.vocabulary,
                          (head.text.num_classes, head.text_channels), spec)
    else:
        bank = find_bank(WantedBank(head.vocabulary, head.templates, head.synonyms),
                         spec, checkpoint, device)
    if head.auxiliary is not None:
        bank = mix_auxiliary(bank, head.auxiliary, lambda sentences: find_bank(
            WantedBank(sentences, head.templates), spec, checkpoint, device))
    head.set_text_bank(bank, _contrast_words(head, spec, checkpoint, device))


def _contrast_words(head: TextHead, spec: ClipSpec, checkpoint: ClipCheckpoint,
                    device: str | torch.device) -> TextBank | None:
    """The bank of the contrast words of a head, None where it has none."""
    if head.contrast_words is None:
        return None
    words = load_vocabulary(head.contrast_words, 'contrast words of Background')
    if head.vocabulary is not None:
        known = {name.lower(): names[0] for names in load_vocabulary(head.vocabulary).entries
                 for name in names}
        for name in (name for names in words.entries for name in names):
            if name.lower() in known:
                raise InputError(f'the contrast word {name!r} of Background is a name of class '
                                 f'{known[name.lower()]!r}, too, so that neither could win: leave '
                                 'it out.')
    return find_bank(WantedBank(head.contrast_words, head.templates, head.synonyms), spec,
                     checkpoint, device)
