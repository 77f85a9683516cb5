"""Weights of a tiny CLIP as one small file, and its retrieval accuracy."""

from __future__ import annotations

from typing import Any, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mmseg_maskclip.clip import list_templates, load_templates
from mmseg_maskclip.clip.pretraining import tokenizer
from mmseg_maskclip.tinyworld.captions import all_phrases
from mmseg_maskclip.tinyworld.classes import CLASSES
from mmseg_maskclip.tinyworld.pretraining.pictures import normalise
from mmseg_maskclip.tinyworld.scenes import object_picture

TOKENS = 'token_embedding.weight'
TOKEN_IDS = 'token_ids'
# Far beyond the index of any picture that pretraining draws.
_HELD_OUT = 10_000_000
_BATCH = 50
_EXTRA_WORDS = (
    'red green blue black white brown yellow orange grey dark light bright',
    'striped spotted patched checked rough smooth wavy seeded',
    'thing object animal insect food board game plant rind coat skin fur dough',
    'background wall floor ground water melon chips stripes dots spots patches squares',
    'ladybirds ladybugs beetles cookies biscuits chessboards melons watermelons berries lawns',
    'meadows beaches deserts seas lakes oceans ocean brick tree wood cloud walls of and the a',
)


def used_token_ids() -> Tensor:
    """Sorted ids of all tokens that captions, templates and likely prompts hold, (T,)."""
    phrases = [*all_phrases(), *_EXTRA_WORDS]
    for name in list_templates():
        templates = load_templates(name)
        phrases += [template.format('') for template in templates]
        phrases += [template.format(word) for template in templates for word in CLASSES]
    # 77 tokens, more than the model's own context: no phrase is cut off.
    return torch.unique(tokenizer(77)(phrases))


def pack(model: nn.Module) -> dict[str, Tensor]:
    """The state dict of an ``open_clip.CLIP`` with only the token rows in use.

    Matrices and tables are stored in half precision, vectors (statistics,
    gains, biases) in single. ``token_ids`` (T,) are the rows that are kept.

    Args:
        model: The trained model.
    """
    ids = used_token_ids()
    state = {}
    for name, value in model.state_dict().items():
        # open_clip rebuilds it.
        if name == 'attn_mask':
            continue
        value = value.index_select(0, ids) if name == TOKENS else value
        # Vectors are small, and BatchNorm statistics can exceed what half precision holds.
        half = value.is_floating_point() and value.dim() > 1
        state[name] = value.half().contiguous() if half else value.clone()
    return {TOKEN_IDS: ids, **state}


def unpack(packed: Mapping[str, Tensor], vocab_size: int) -> dict[str, Tensor]:
    """The state dict ``open_clip.CLIP`` loads, float32; rows not kept are zero.

    Args:
        packed: Output of :func:`pack`.
        vocab_size: Rows of the full token table.
    """
    state = {name: value.float() if value.is_floating_point() else value
             for name, value in packed.items() if name != TOKEN_IDS}
    table = torch.zeros(vocab_size, state[TOKENS].shape[1])
    table[packed[TOKEN_IDS]] = state[TOKENS]
    return {**state, TOKENS: table}


@torch.no_grad()
def retrieval(model: nn.Module, seed: int, count: int = 300) -> dict[str, Any]:
    """Retrieval accuracy on held-out object-centric pictures.

    Args:
        model: An ``open_clip.CLIP`` in eval mode.
        seed: Which world; the pictures come from a range never trained on.
        count: Number of pictures.

    Returns:
        ``class_top1``, the share of pictures whose best of the 14 prompts ``a photo
        of a {class}.`` names something in them; ``set_top1``, the share whose best of
        one caption per combination of classes names exactly what is in them; and
        ``pictures`` and ``captions``, their numbers.
    """
    pictures = [object_picture(seed, _HELD_OUT + i) for i in range(count)]
    present = [(picture.things, picture.stuff) for picture in pictures]
    sets = sorted({tuple(sorted(things + stuff)) for things, stuff in present})
    images = torch.cat([
        functional.normalize(model.encode_image(torch.stack(
            [normalise(p.image.astype(np.float32) / 255) for p in pictures[i:i + _BATCH]])), dim=-1)
        for i in range(0, count, _BATCH)])
    encode = tokenizer(model.context_length)
    prompts = [f'a photo of a {name}.' for name in CLASSES]
    one = images @ _text_embeddings(model, encode(prompts)).T
    many = images @ _text_embeddings(model, encode([' and '.join(names) for names in sets])).T
    named = [CLASSES[i] in things + stuff
             for i, (things, stuff) in zip(one.argmax(1).tolist(), present)]
    exact = [set(sets[i]) == {*things, *stuff}
             for i, (things, stuff) in zip(many.argmax(1).tolist(), present)]
    return {'class_top1': round(float(np.mean(named)), 4),
            'set_top1': round(float(np.mean(exact)), 4), 'pictures': count, 'captions': len(sets)}


def _text_embeddings(model: nn.Module, tokens: Tensor) -> Tensor:
    return functional.normalize(model.encode_text(tokens), dim=-1)
