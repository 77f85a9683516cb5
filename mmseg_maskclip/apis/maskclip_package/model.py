"""CLIP with both of its towers: logits of patches for any prompts."""

from __future__ import annotations

import math
from typing import Any, Sequence, Union, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmseg_maskclip.clip import TextEncoder, longest
from mmseg_maskclip.models.backbones import ClipBackbone, DenseFeatures
from mmseg_maskclip.utils import InputError

Text = Union[Tensor, Sequence[Tensor]]


class DualEncoder(nn.Module):
    """The model of the earlier ``maskclip`` package, on this project's towers.

    Images may be of any height and width. Patch features are read as the image tower says, see
    :func:`~mmseg_maskclip.apis.maskclip_package.load`.

    Args:
        visual: The image tower.
        text: The text tower; None where the CLIP file has none.
        logit_scale: Logarithm of the factor of the logits.

    Attributes:
        text_embeddings: (T, D), see :meth:`initialize_text_embeddings`; None before.
        names: Class names of these embeddings, where they are known.
    """

    text_embeddings: Tensor | None

    def __init__(self, visual: ClipBackbone, text: TextEncoder | None,
                 logit_scale: float = math.log(100)) -> None:
        super().__init__()
        self.visual = visual
        self.text = text
        self.logit_scale = nn.Parameter(torch.tensor(logit_scale), requires_grad=False)
        # Persistent once it is set, so that a state dict holds the classes.
        self.register_buffer('text_embeddings', None)
        self.names: tuple[str, ...] | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Of the image tower; images and text embeddings are converted to it."""
        return next(self.visual.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the image tower is."""
        return next(self.visual.parameters()).device

    @property
    def context_length(self) -> int:
        """Tokens that the text tower reads."""
        return self.visual.spec.text.context_length

    @property
    def vocab_size(self) -> int:
        """Rows of the text tower's token table."""
        return self.visual.spec.text.vocab_size

    def require_text(self) -> TextEncoder:
        """The text tower.

        Raises:
            InputError: If the CLIP file has none.
        """
        if self.text is None:
            raise InputError('the CLIP file holds no text tower: load the full CLIP checkpoint, or '
                             'give text embeddings to initialize_text_embeddings().')
        return self.text

    def initialize_text_embeddings(self, text_embeddings: Tensor,
                                   names: Sequence[str] | None = None) -> None:
        """Set the classes, in place of those set before.

        Args:
            text_embeddings: L2-normalised, (T, D), of any floating type, anywhere.
            names: The T class names.

        Raises:
            InputError: If the width or the number of names is another.
        """
        width = self.visual.spec.embed_dim
        fits = isinstance(text_embeddings, Tensor) and text_embeddings.dim() == 2 and len(
            text_embeddings) and text_embeddings.shape[1] == width
        if not fits:
            shape = tuple(getattr(text_embeddings, 'shape', ())) or type(text_embeddings).__name__
            raise InputError(f'text_embeddings has the shape {shape}, expected (classes, {width}).')
        if names is not None and len(names) != len(text_embeddings):
            raise InputError(f'names has {len(names)} class names, expected '
                             f'{len(text_embeddings)}, one a row of text_embeddings.')
        self.text_embeddings = text_embeddings.detach().to(self.device, self.dtype)
        self.names = None if names is None else tuple(names)

    def encode_image(self, image: Tensor, normalize: bool = True) -> tuple[Tensor, Tensor]:
        """Features of images.

        Args:
            image: (B, 3, H, W), output of ``preprocess`` or normalised alike.
            normalize: Whether to L2-normalise; patch features with ``dense_mode='akanametov'``
                are never.

        Returns:
            Of the images, (B, D), and of their N patches, row by row, (B, N, D).
        """
        dense = self._encode(image, normalize)
        return cast(Tensor, dense.image), dense.features.flatten(2).transpose(1, 2)

    @torch.no_grad()
    def encode_text(self, text: Text, normalize: bool = True,
                    feature_layer: int | None = None) -> Tensor:
        """Embeddings of tokens.

        Args:
            text: Output of ``tokenize``, (T, L), or several of these.
            normalize: Whether to L2-normalise.
            feature_layer: Block of the text tower whose output is projected: 0 is the first, -1
                the last one, as None.

        Returns:
            (T, D).

        Raises:
            InputError: If these are no tokens this tower reads, or there is no such block.
        """
        encoder = self.require_text()
        tokens = _tokens(text)
        length = longest(tokens)
        if length > self.context_length:
            raise InputError(f'a prompt has {length} tokens, {self.visual.spec.name} reads at most '
                             f'{self.context_length}: shorten it.')
        encoder.require_known(tokens)
        found = encoder(tokens[:, :length].to(encoder.mask.device), feature_layer)
        return (F.normalize(found, dim=-1) if normalize else found).to(self.dtype)

    def encode_features(self, image: Tensor, text: Text | None = None, normalize: bool = True,
                        text_feature_layer: int | None = None,
                        ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Features of images and of tokens.

        Args:
            image: As for :meth:`encode_image`.
            text: As for :meth:`encode_text`; None for none.
            normalize: As there.
            text_feature_layer: ``feature_layer`` there.

        Returns:
            Of the images (B, D), of their patches (B, N, D), of the tokens (T, D) or None.
        """
        found = None if text is None else self.encode_text(text, normalize, text_feature_layer)
        return (*self.encode_image(image, normalize), found)

    def decode_features(self, class_features: Tensor, image_features: Tensor,
                        text_features: Tensor | None = None,
                        grid: tuple[int, int] | None = None) -> tuple[Tensor, Tensor]:
        """Logits of features.

        Args:
            class_features: Of images, (B, D).
            image_features: Of their patches, (B, N, D).
            text_features: (T, D); None takes those of :meth:`initialize_text_embeddings`.
            grid: (h, w) of the patches; None where it is a square.

        Returns:
            Of images, (B, T), and of patches, (B, T, h, w).

        Raises:
            InputError: If there are no text embeddings, or N patches are no such grid.
        """
        text = self.text_embeddings if text_features is None else text_features
        if text is None:
            raise InputError('there is no text: give tokens, or call '
                             'initialize_text_embeddings() first.')
        count = image_features.shape[1]
        height, width = grid or (math.isqrt(count),) * 2
        if height * width != count:
            raise InputError(f'{count} patches are no grid of {height} x {width}: give '
                             'grid=(h, w).')
        scaled = (self.logit_scale.exp() * text).to(image_features).T
        logits = image_features @ scaled
        return class_features @ scaled, logits.transpose(1, 2).unflatten(2, (height, width))

    def forward(self, image: Tensor, text: Text | None = None, normalize: bool = True,
                text_feature_layer: int | None = None) -> Tensor:
        """Logits of patches.

        Args:
            image: As for :meth:`encode_image`.
            text: As for :meth:`encode_text`; None takes the embeddings of
                :meth:`initialize_text_embeddings`.
            normalize: As there.
            text_feature_layer: ``feature_layer`` there.

        Returns:
            (B, T, h, w), on the tower's grid: resize it to the image.
        """
        embeddings = None if text is None else self.encode_text(text, normalize,
                                                                text_feature_layer)
        dense = self._encode(image, normalize)
        features = dense.features.flatten(2).transpose(1, 2)
        grid = (dense.features.shape[2], dense.features.shape[3])
        return self.decode_features(cast(Tensor, dense.image), features, embeddings, grid)[1]

    def _encode(self, image: Tensor, normalize: bool) -> DenseFeatures:
        if not isinstance(image, Tensor) or image.dim() != 4 or image.shape[1] != 3:
            shape = tuple(getattr(image, 'shape', ())) or type(image).__name__
            raise InputError(f'image has the shape {shape}, expected (B, 3, H, W): '
                             'preprocess(picture).unsqueeze(0).')
        dense = self.visual.dense(image.to(self.device), image=True)
        if not normalize:
            return dense
        features = dense.features if dense.scored_as_is else F.normalize(dense.features, dim=1)
        return dense._replace(features=features,
                              image=F.normalize(cast(Tensor, dense.image), dim=-1))

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        # Makes room: torch refuses a buffer that was not there.
        found = state_dict.get(f'{prefix}text_embeddings')
        if found is not None:
            self.text_embeddings = torch.empty_like(found, device=self.device, dtype=self.dtype)
        super()._load_from_state_dict(state_dict, prefix, *args)


def _tokens(text: Text) -> Tensor:
    parts = [text] if isinstance(text, Tensor) else list(text)
    whole = parts and all(isinstance(part, Tensor) and part.dim() == 2 and not (
        part.is_floating_point()) for part in parts)
    if not whole:
        raise InputError('text is not a tensor of tokens (T, L): make it with tokenize(sentences).')
    width = max(part.shape[1] for part in parts)
    return torch.cat([F.pad(part, (0, width - part.shape[1])) for part in parts]).long()
