"""The head of ZegCLIP: a query for each class, and its mask."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Sequence

import torch
import torch.nn.functional as F
from mmseg.models.builder import HEADS
from torch import Tensor, nn

from mmseg_maskclip.models.backbones import DenseFeatures
from mmseg_maskclip.models.decode_heads.mask_decoder import MaskDecoder
from mmseg_maskclip.models.decode_heads.text_head import TextHead
from mmseg_maskclip.models.losses import FocalDiceLoss
from mmseg_maskclip.ops import IGNORED, UNLABELLED, pool_rows
from mmseg_maskclip.utils import InputError, require_number


class Queries(NamedTuple):
    """The queries of some classes.

    Attributes:
        embeddings: Text embeddings, (R, D).
        row_class: Index of each among the classes, (R,) int64; None for one row a class.
        classes: Number of classes C.
    """

    embeddings: Tensor
    row_class: Tensor | None
    classes: int


@HEADS.register_module()
class ZegClipHead(TextHead):
    """Relationship descriptor and mask decoder (ZegCLIP, arXiv 2212.03588).

    The query of a class is made of its text embedding t and of the image's embedding g, by a
    linear map of [g * t; t]; layers of cross-attention refine it, and its scores over the
    patches in the last one are its mask. It reads the output of a ``PromptedClipViT``.

    Args:
        num_classes: K, all classes, whatever mode it is trained in.
        text_channels: Width D of CLIP's joint space.
        vocabulary: As in :class:`TextHead`.
        templates: As in :class:`TextHead`.
        synonyms: As in :class:`TextHead`; ``'separate'`` takes the best mask of a class.
        text_embeddings_path: As in :class:`TextHead`.
        embed_dims: Width of the decoder; other than D, patches are projected to it.
        num_layers: Layers of the decoder.
        num_heads: Heads of each.
        dropout_ratio: Of the decoder.
        loss_decode: Config of a ``FocalDiceLoss``.
        kwargs: As in mmseg's ``BaseDecodeHead``.

    Raises:
        InputError: On impossible sizes, or another loss.
    """

    loss_decode: Any

    def __init__(self, num_classes: int, text_channels: int,
                 vocabulary: str | Sequence[str] | None = None,
                 templates: str | Sequence[str] = 'zegclip15', synonyms: str = 'mean',
                 text_embeddings_path: str | None = None, embed_dims: int = 512,
                 num_layers: int = 3, num_heads: int = 8, dropout_ratio: float = 0.1,
                 loss_decode: Mapping | None = None, **kwargs: Any) -> None:
        _check(num_classes, embed_dims, num_layers, num_heads, dropout_ratio)
        kwargs = {'init_cfg': None, 'in_channels': text_channels, **kwargs}
        super().__init__(num_classes, text_channels, vocabulary, templates, synonyms,
                         text_embeddings_path, dropout_ratio=0,
                         loss_decode=dict(loss_decode or {'type': 'FocalDiceLoss'}), **kwargs)
        if not isinstance(self.loss_decode, FocalDiceLoss):
            raise InputError(f'loss_decode is {type(self.loss_decode).__name__}, expected '
                             "'FocalDiceLoss': masks of classes may overlap.")
        self.q_proj = nn.Linear(2 * text_channels, embed_dims)
        self.input_proj = None if embed_dims == text_channels else nn.Sequential(
            nn.Linear(text_channels, embed_dims), nn.LayerNorm(embed_dims))
        self.decoder = MaskDecoder(embed_dims, num_layers, num_heads, dropout_ratio)
        self._made: tuple[Tensor, tuple[int, ...], Queries] | None = None
        self._places: dict = {}

    def queries(self, classes: Sequence[int] | None = None) -> Queries:
        """The queries of some classes; made once.

        Args:
            classes: Class ids; None for all.

        Raises:
            InputError: If there are no text embeddings yet.
        """
        embeddings, row_class = self.text.embeddings, self.text.row_class
        # Not len(): it would fix the number of classes of an exported graph.
        if embeddings.shape[0] == 0:
            raise InputError('the head has no text embeddings yet: load a checkpoint with '
                             'mmseg_maskclip.load_weights, or set a text bank.')
        if classes is None:
            return Queries(embeddings, row_class if self.text.synonyms else None,
                           self.num_classes)
        wanted = tuple(classes)
        if self._made is None or self._made[0] is not embeddings or self._made[1] != wanted:
            # Made from Python lists, for which a CPU waits for its GPU: once, not in every step.
            self._made = (embeddings, wanted, self._select(row_class.tolist(), wanted))
        return self._made[2]

    def _select(self, row_class: Sequence[int], classes: Sequence[int]) -> Queries:
        rows = [row for index in classes for row, owner in enumerate(row_class) if owner == index]
        own = [classes.index(row_class[row]) for row in rows] if self.text.synonyms else None
        embeddings = self.text.embeddings
        return Queries(embeddings[rows], None if own is None else torch.tensor(
            own, device=embeddings.device), len(classes))

    def forward(self, inputs: DenseFeatures, classes: Sequence[int] | None = None) -> Tensor:
        """Mask logits on the patch grid.

        Args:
            inputs: Output of a ``PromptedClipViT``.
            classes: Ids of the classes that are looked for, C of them; None for all.

        Returns:
            (B, C, h, w).
        """
        if not isinstance(inputs, DenseFeatures) or inputs.image is None:
            raise InputError("ZegClipHead reads the embedding of the image beside the patches': "
                             "use it with a 'PromptedClipViT' backbone.")
        queries = self.queries(classes)
        image = F.normalize(inputs.image, dim=1)
        patches = F.normalize(inputs.features, dim=1).flatten(2).transpose(1, 2)
        if self.input_proj is not None:
            patches = self.input_proj(patches)
        masks = self.decoder(self.describe(image, queries.embeddings), patches)
        masks = masks.unflatten(2, inputs.features.shape[2:])
        if queries.row_class is None:
            return masks
        return pool_rows(masks, queries.row_class, queries.classes)

    def describe(self, image: Tensor, embeddings: Tensor) -> Tensor:
        """The relationship descriptor.

        Args:
            image: Unit-norm image embeddings, (B, D).
            embeddings: Text embeddings, (R, D).

        Returns:
            Queries, (B, R, C).
        """
        together, alone = self.q_proj.weight.chunk(2, dim=1)
        # They stay in single precision where the model is cast to half of it.
        embeddings = embeddings.to(image.dtype)
        # What the text alone says is the same for every image of the batch.
        return (F.linear(image[:, None] * embeddings, together)
                + F.linear(embeddings, alone, self.q_proj.bias))

    def losses(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Losses of mask logits, and their accuracy.

        Args:
            logits: At the size of the labels, (B, C, H, W).
            labels: Index among the C classes, (B, H, W) int64, 255 is ignored.

        Returns:
            ``loss_mask``, ``loss_dice``, and ``acc_seg``, percent of the labelled pixels.
        """
        labelled, found = labels != IGNORED, logits.detach()
        own = found.gather(1, labels.masked_fill(~labelled, 0)[:, None])[:, 0]
        # An arg-max over the maps takes ten times as long as their maximum.
        right = (own == found.amax(dim=1)) & labelled
        return {**self.loss_decode(logits, labels),
                'acc_seg': 100 * right.sum() / labelled.sum().clamp(min=1)}

    def places(self, labels: Tensor, classes: Sequence[int]) -> Tensor:
        """Labels as indices among some classes.

        Args:
            labels: Class ids, any shape, int64; -1 is unlabelled.
            classes: Class ids.

        Returns:
            The same shape; 255 for anything else.
        """
        key = (labels.device, *classes)
        if key not in self._places:
            # 256 ids and one entry more: index -1, unlabelled, is the last one.
            table = torch.full((IGNORED + 2,), IGNORED)
            table[list(classes)] = torch.arange(len(classes))
            self._places = {key: table.to(labels.device)}
        return self._places[key][labels.clamp(min=UNLABELLED)]


def _check(num_classes: int, embed_dims: int, num_layers: int, num_heads: int,
           dropout_ratio: float) -> None:
    for name, value in (('num_classes', num_classes), ('embed_dims', embed_dims),
                        ('num_layers', num_layers), ('num_heads', num_heads)):
        require_number(value, f'decode_head.{name}', minimum=1, whole=True)
    require_number(dropout_ratio, 'decode_head.dropout_ratio', minimum=0, below=1)
    if embed_dims % num_heads:
        raise InputError(f'decode_head.embed_dims is {embed_dims}, expected a multiple of '
                         f'num_heads={num_heads}.')
