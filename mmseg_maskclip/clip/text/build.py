"""Makes text banks: every class in every template, encoded once and cached."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_maskclip.clip.checkpoints.activation import fit_activation
from mmseg_maskclip.clip.checkpoints.read import ClipCheckpoint
from mmseg_maskclip.clip.spec import ClipSpec
from mmseg_maskclip.clip.text.bank import TextBank
from mmseg_maskclip.clip.text.encoder import TextEncoder
from mmseg_maskclip.clip.text.templates import (
    TemplateSource,
    fill_template,
    load_templates,
    templates_name,
)
from mmseg_maskclip.clip.text.vocabulary import Source, Vocabulary, load_vocabulary
from mmseg_maskclip.utils import InputError, cache_dir, progress_bar, require_number

SYNONYMS = ('mean', 'separate')
# Raised whenever the same input would give other embeddings than before.
_CACHE_VERSION = 1
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Prompts:
    """Prompts, the mean each one belongs to, and the mean that is each row of the bank."""

    sentences: list[str]
    means: Tensor
    row_mean: Tensor
    row_names: tuple[str, ...]
    row_class: Tensor


def build_text_bank(checkpoint: ClipCheckpoint, spec: ClipSpec, vocabulary: Source,
                    templates: TemplateSource = 'imagenet85', synonyms: str = 'mean',
                    normalize: bool = True, device: str | torch.device = 'cpu',
                    batch_size: int = 256, progress: bool = True) -> TextBank:
    """Encode a vocabulary (MaskCLIP, Sec. 3.1: prompt engineering).

    Every prompt's embedding is L2-normalised; a row is the mean over its
    prompts, L2-normalised again.

    Args:
        checkpoint: A checkpoint that holds the text tower.
        spec: The model it is of.
        vocabulary: The classes.
        templates: A template set, or a list of sentences with one ``{}``.
        synonyms: ``'mean'``: one row per class, over all its synonyms;
            ``'separate'``: one row per synonym, to be max-pooled in score space.
        normalize: Whether the means are L2-normalised.
        device: Where to encode.
        batch_size: Prompts per forward pass; does not change the result.
        progress: Whether to show a progress bar.

    Returns:
        The bank, on the CPU.

    Raises:
        InputError: If an argument is wrong, the checkpoint has no text tower or
            one of other sizes, or a prompt is too long or has an unknown word.
    """
    vocabulary = load_vocabulary(vocabulary)
    prompts = _prompts(vocabulary, load_templates(templates), synonyms)
    require_number(batch_size, 'batch_size', minimum=1, whole=True)
    encoder = TextEncoder(checkpoint, fit_activation(checkpoint, spec)).to(device)
    means = _row_means(encoder, prompts, batch_size, progress)
    rows = F.normalize(means, dim=1) if normalize else means
    return TextBank(rows.float().cpu(), vocabulary.class_names, prompts.row_class,
                    prompts.row_names, spec.name, templates_name(templates), normalize)


def encode_classes(encoder: TextEncoder, vocabulary: Source,
                   templates: TemplateSource = 'imagenet85', layer: int | None = None,
                   batch_size: int = 256, progress: bool = True) -> Tensor:
    """The rows of a text bank, from a text tower that is at hand.

    Args:
        encoder: The tower; it encodes where it is.
        vocabulary: K classes.
        templates: As for :func:`build_text_bank`.
        layer: Block of the tower whose output is projected, see :meth:`TextEncoder.forward`.
        batch_size: Prompts per forward pass; does not change the result.
        progress: Whether to show a progress bar.

    Returns:
        L2-normalised means over the prompts of each class, (K, D) float32, where the tower is.

    Raises:
        InputError: If a prompt is too long or has an unknown word, or there is no such block.
    """
    prompts = _prompts(load_vocabulary(vocabulary), load_templates(templates), 'mean')
    return F.normalize(_row_means(encoder, prompts, batch_size, progress, layer), dim=1).float()


def cached_text_bank(checkpoint: ClipCheckpoint, spec: ClipSpec, vocabulary: Source,
                     templates: TemplateSource = 'imagenet85', synonyms: str = 'mean',
                     normalize: bool = True, device: str | torch.device = 'cpu',
                     batch_size: int = 256, progress: bool = True) -> TextBank:
    """:func:`build_text_bank`, cached in the user's cache folder.

    The key is a hash of the model, the weights' SHA-256, the class names, the
    templates and the options, so a change of any makes a new file.

    Args:
        checkpoint: As for :func:`build_text_bank`, like all others.
        spec: As there.
        vocabulary: As there.
        templates: As there.
        synonyms: As there.
        normalize: As there.
        device: As there.
        batch_size: As there.
        progress: As there.

    Returns:
        The bank.

    Raises:
        InputError: As :func:`build_text_bank`.
    """
    vocabulary = load_vocabulary(vocabulary)
    spec = fit_activation(checkpoint, spec)
    path = _cache_path(checkpoint, spec, vocabulary, templates, synonyms, normalize)
    if path.is_file():
        try:
            return TextBank.load(path).check(vocabulary.class_names, spec.embed_dim, spec.name)
        except InputError:
            _LOG.warning('the cached text bank %s is damaged, making it again', path)
    bank = build_text_bank(checkpoint, spec, vocabulary, templates, synonyms, normalize, device,
                           batch_size, progress)
    try:
        bank.save(path)
    except (InputError, OSError) as error:
        _LOG.warning('the text bank could not be cached for the next run: %s', error)
    return bank


def _prompts(vocabulary: Vocabulary, templates: tuple[str, ...], synonyms: str) -> _Prompts:
    if synonyms not in SYNONYMS:
        raise InputError(f"synonyms is '{synonyms}', expected one of {SYNONYMS}.")
    groups: list[tuple[str, ...]] = []
    classes: list[int] = []
    for index, entry in enumerate(vocabulary.entries):
        own = [entry] if synonyms == 'mean' else [(name,) for name in entry]
        groups += own
        classes += [index] * len(own)
    # A name that stands twice is encoded once: its rows are then equal to the last bit, and the
    # first class of the two wins, whatever batch its prompts are in.
    numbers = {group: number for number, group in enumerate(dict.fromkeys(groups))}
    sentences: list[str] = []
    means: list[int] = []
    for group, number in numbers.items():
        filled = [fill_template(template, name) for name in group for template in templates]
        sentences += filled
        means += [number] * len(filled)
    return _Prompts(sentences, torch.tensor(means), torch.tensor([numbers[one] for one in groups]),
                    tuple(group[0] for group in groups), torch.tensor(classes))


def _row_means(encoder: TextEncoder, prompts: _Prompts, batch_size: int,
               progress: bool, layer: int | None = None) -> Tensor:
    """Mean over each row's prompts of their L2-normalised embeddings, (R, D) float64."""
    sums = sum_prompts(encoder, prompts.sentences, prompts.means, batch_size, progress, layer)
    counts = prompts.means.bincount().to(sums.device)
    return (sums / counts[:, None])[prompts.row_mean.to(sums.device)]


def sum_prompts(encoder: TextEncoder, sentences: Sequence[str], owner: Tensor,
                batch_size: int = 256, progress: bool = False, layer: int | None = None) -> Tensor:
    """Sums of the L2-normalised embeddings of prompts.

    Args:
        encoder: The text tower.
        sentences: N prompts.
        owner: Which sum each prompt goes into, (N,) int64, 0 to S - 1.
        batch_size: Prompts per forward pass.
        progress: Whether to show a progress bar.
        layer: Block of the tower whose output is projected, see :meth:`TextEncoder.forward`.

    Returns:
        (S, D) float64, on the encoder's device.

    Raises:
        InputError: As :meth:`TextEncoder.tokenize`, or if there is no such block.
    """
    tokens = encoder.tokenize(sentences)
    lengths = tokens.argmax(dim=1) + 1
    # Prompts of similar length share a batch, since a batch is as long as its longest prompt.
    order = lengths.argsort(stable=True)
    device = encoder.mask.device
    # Summed in double precision, so that after rounding to float32 the order of summation, which
    # follows the lengths, does not show.
    sums = torch.zeros(int(owner.max()) + 1, encoder.width, dtype=torch.float64, device=device)
    with progress_bar(len(order), 'text embeddings', 'prompt', shown=progress) as bar:
        for batch in order.split(batch_size):
            found = encoder(tokens[batch, :int(lengths[batch].max())].to(device), layer)
            sums.index_add_(0, owner[batch].to(device), F.normalize(found, dim=1).double())
            bar.update(len(batch))
    return sums


def _cache_path(checkpoint: ClipCheckpoint, spec: ClipSpec, vocabulary: Vocabulary,
                templates: TemplateSource, synonyms: str, normalize: bool) -> Path:
    key = {'version': _CACHE_VERSION, 'clip': spec.name, 'weights': checkpoint.sha256,
           'activation': spec.activation, 'text': repr(spec.text),
           'entries': vocabulary.entries, 'templates': load_templates(templates),
           'called': templates_name(templates), 'synonyms': synonyms, 'normalize': normalize}
    key_hash = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    name = f'{vocabulary.name}_{spec.short_name}_{key_hash[:24]}.pth'.replace('/', '-')
    return cache_dir() / 'text_banks' / name
