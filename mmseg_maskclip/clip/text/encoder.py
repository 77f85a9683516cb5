"""CLIP's text tower: from prompts to text embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from mmseg_maskclip.clip.checkpoints.read import ClipCheckpoint, how_to_get
from mmseg_maskclip.clip.spec import ClipSpec
from mmseg_maskclip.clip.text.tokens import longest, token_ids, word_of
from mmseg_maskclip.utils import InputError, require_number

_TOKENS = 'token_embedding.weight'


class TextEncoder(nn.Module):
    """A CLIP text tower with its tokenizer, in eval mode, float32.

    Args:
        checkpoint: A checkpoint that holds the text tower.
        spec: The model it is of.

    Raises:
        InputError: If the checkpoint has no text tower, or one of other sizes.
    """

    mask: Tensor
    known_tokens: Tensor

    def __init__(self, checkpoint: ClipCheckpoint, spec: ClipSpec) -> None:
        super().__init__()
        checkpoint.check(spec)
        if not checkpoint.text:
            raise InputError(
                f'{checkpoint.path} ({checkpoint.form}) holds no text tower, which text '
                f'embeddings need: name the full CLIP checkpoint. {how_to_get(spec)}')
        self.width = spec.embed_dim
        self.context_length = spec.text.context_length
        self.tower: Any = _build(spec)
        self.depth = spec.text.layers
        self._load(checkpoint, spec)
        # Cut to the length of the prompts at hand in forward(): the mask is causal, so the padding
        # behind an end token never reaches it.
        self.register_buffer('mask', self.tower.get_buffer('attn_mask'), persistent=False)
        self.requires_grad_(False).eval()

    def _load(self, checkpoint: ClipCheckpoint, spec: ClipSpec) -> None:
        state = dict(checkpoint.text)
        if checkpoint.token_ids is not None:
            # The embedded models keep the rows of their own words; the others stay zero.
            table = torch.zeros(spec.text.vocab_size, spec.text.width)
            table[checkpoint.token_ids] = state[_TOKENS]
            state[_TOKENS] = table
        try:
            self.tower.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f'the text tower in {checkpoint.path} does not fit {spec.name}: '
                             f'{" ".join(str(error).split())}') from error
        # No row that was trained is zero: these are refused, see require_known().
        self.register_buffer('known_tokens', state[_TOKENS].any(dim=1), persistent=False)
        self.source = str(checkpoint.path)

    def tokenize(self, prompts: Sequence[str]) -> Tensor:
        """Token ids of prompts.

        Args:
            prompts: N sentences.

        Returns:
            (N, L), zeros after the end token, L the tokens of the longest.

        Raises:
            InputError: If a prompt is longer than the tower reads, or holds a
                token whose embedding the checkpoint does not have.
        """
        tokens = token_ids(prompts, self.context_length)
        self.require_known(tokens, prompts)
        return tokens[:, :longest(tokens)]

    def require_known(self, tokens: Tensor, prompts: Sequence[str] = ()) -> None:
        """Refuse tokens whose embeddings the checkpoint does not have.

        Args:
            tokens: Token ids, (N, L), zeros after the end token.
            prompts: What they were made of, where that is known.

        Raises:
            InputError: If there is one; names the word.
        """
        missing = ~self.known_tokens.cpu()[tokens.cpu().long()] & (tokens.cpu() != 0)
        if missing.any():
            row, column = missing.nonzero()[0].tolist()
            prompt = prompts[row] if prompts else word_of(tokens[row, 1:tokens[row].argmax()])
            raise InputError(
                f"CLIP checkpoint {self.source} does not know the word "
                f"'{word_of(tokens[row, column:column + 1])}' of the prompt '{prompt}': it holds "
                'the words of the embedded world alone.')

    @torch.no_grad()
    def forward(self, tokens: Tensor, layer: int | None = None) -> Tensor:
        """Embeddings of token ids.

        Args:
            tokens: (N, L) of :meth:`tokenize`, L at most ``context_length``.
            layer: Block whose output is projected, as an index: 0 is the first block, -1 the
                last one, as None.

        Returns:
            (N, D), not normalised.

        Raises:
            InputError: If there is no such block.
        """
        length = tokens.shape[1]
        self.tower.attn_mask = self.mask[:length, :length]
        if layer is None:
            return self.tower(tokens)
        require_number(layer, 'feature_layer', minimum=-self.depth, maximum=self.depth - 1,
                       whole=True, hint=f'one of the {self.depth} blocks of the text tower')
        return self.tower.forward_intermediates(
            tokens, indices=[layer % self.depth], stop_early=True,
            output_fmt='NLC')['text_features']

    def encode(self, prompts: Sequence[str]) -> Tensor:
        """Embeddings of prompts in one batch.

        Args:
            prompts: N sentences.

        Returns:
            (N, D), not normalised.

        Raises:
            InputError: As :meth:`tokenize`.
        """
        return self(self.tokenize(prompts).to(self.mask.device))


def _build(spec: ClipSpec) -> nn.Module:
    import open_clip

    quick = spec.activation == 'quick_gelu'
    return open_clip.transformer.TextTransformer(
        context_length=spec.text.context_length, vocab_size=spec.text.vocab_size,
        width=spec.text.width, heads=spec.text.heads, layers=spec.text.layers,
        mlp_ratio=spec.text.mlp_ratio, output_dim=spec.embed_dim,
        act_layer=open_clip.transformer.QuickGELU if quick else nn.GELU,
        norm_layer=partial(open_clip.transformer.LayerNorm, eps=spec.text.ln_eps))
