"""CLIP's text tower: from prompts to text embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from mmseg_maskclip.clip.checkpoints.read import ClipCheckpoint, how_to_get
from mmseg_maskclip.clip.spec import ClipSpec
from mmseg_maskclip.utils import InputError

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
        import open_clip

        super().__init__()
        checkpoint.check(spec)
        if not checkpoint.text:
            raise InputError(
                f'{checkpoint.path} ({checkpoint.form}) holds no text tower, which text '
                f'embeddings need: name the full CLIP checkpoint. {how_to_get(spec)}')
        self.width = spec.embed_dim
        self.context_length = spec.text.context_length
        self.tower = _build(spec)
        self._load(checkpoint, spec)
        # Cut to the length of the prompts at hand in forward(): the mask is causal, so the padding
        # behind an end token never reaches it.
        self.register_buffer('mask', self.tower.get_buffer('attn_mask'), persistent=False)
        self.tokenizer = open_clip.SimpleTokenizer(context_length=self.context_length + 1)
        self.requires_grad_(False).eval()

    def _load(self, checkpoint: ClipCheckpoint, spec: ClipSpec) -> None:
        state = dict(checkpoint.text)
        known = torch.ones(spec.text.vocab_size, dtype=torch.bool)
        if checkpoint.token_ids is not None:
            # The embedded models keep the rows of their own words; the others stay zero and are
            # refused by tokenize().
            known = torch.zeros_like(known)
            known[checkpoint.token_ids] = True
            table = torch.zeros(spec.text.vocab_size, spec.text.width)
            table[checkpoint.token_ids] = state[_TOKENS]
            state[_TOKENS] = table
        try:
            self.tower.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f'the text tower in {checkpoint.path} does not fit {spec.name}: '
                             f'{" ".join(str(error).split())}') from error
        self.register_buffer('known_tokens', known, persistent=False)
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
        # The tokenizer cuts prompts silently. It was given one position more than the tower
        # has, so that a prompt which fills it is known to be too long.
        tokens = self.tokenizer(list(prompts))
        # The end token has the highest id.
        lengths = tokens.argmax(dim=1) + 1
        if int(lengths.max()) > self.context_length:
            prompt = prompts[int(lengths.argmax())]
            raise InputError(f"the prompt '{prompt}' has more than the {self.context_length} "
                             'tokens this CLIP reads: shorten the class name.')
        self._check_known(prompts, tokens)
        return tokens[:, :int(lengths.max())]

    def _check_known(self, prompts: Sequence[str], tokens: Tensor) -> None:
        missing = ~self.known_tokens.cpu()[tokens] & (tokens != 0)
        if missing.any():
            row, column = missing.nonzero()[0].tolist()
            piece = self.tokenizer.decode([int(tokens[row, column])]).strip()
            raise InputError(
                f"CLIP checkpoint {self.source} does not know the word '{piece}' of the prompt "
                f"'{prompts[row]}': it holds the words of the embedded world alone.")

    @torch.no_grad()
    def forward(self, tokens: Tensor) -> Tensor:
        """Embeddings of token ids.

        Args:
            tokens: (N, L) of :meth:`tokenize`, L at most ``context_length``.

        Returns:
            (N, D), not normalised.
        """
        length = tokens.shape[1]
        self.tower.attn_mask = self.mask[:length, :length]
        return self.tower(tokens)

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
