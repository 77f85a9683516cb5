"""ZegCLIP: a prompted CLIP that learns masks of seen classes and finds unseen ones."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Sequence

import torch
from mmseg.core import add_prefix
from mmseg.models.builder import SEGMENTORS
from mmseg.models.segmentors import EncoderDecoder
from mmseg.ops import resize
from torch import Tensor

from mmseg_maskclip.clip import load_vocabulary, pick_device
from mmseg_maskclip.models.backbones import DenseFeatures, PromptedClipViT
from mmseg_maskclip.models.decode_heads import ZegClipHead
from mmseg_maskclip.models.pseudo_labels.labeller import Labeller, class_ids
from mmseg_maskclip.models.pseudo_labels.pseudo_labelled import PseudoLabelled
from mmseg_maskclip.models.segmentors.encoding import EncodesInputs
from mmseg_maskclip.models.segmentors.replaceable_classes import ReplaceableClasses
from mmseg_maskclip.models.segmentors.tiled_inference import TiledInference
from mmseg_maskclip.models.weights.zegclip import load_frozen
from mmseg_maskclip.ops import IGNORED, ignore_unlabelled
from mmseg_maskclip.utils import InputError, require_number

INDUCTIVE, TRANSDUCTIVE, SUPERVISED = MODES = ('inductive', 'transductive', 'supervised')
_WHOLE_RUN = (1, -1)


@SEGMENTORS.register_module()
class ZegClip(PseudoLabelled, EncodesInputs, ReplaceableClasses, TiledInference, EncoderDecoder):
    """Prompted CLIP ViT and a decoder of one mask a class (ZegCLIP, arXiv 2212.03588).

    Args:
        backbone: Config of a ``PromptedClipViT``.
        decode_head: Config of a ``ZegClipHead``.
        mode: ``'inductive'`` trains on the text embeddings of the seen classes alone;
            ``'transductive'`` on all, pixels of unseen classes being labelled by the model
            itself; ``'supervised'`` on all, with all labels.
        unseen: Ids of the classes whose labels training does not see; also in the supervised
            mode, which is compared with the others. Empty where it only tests.
        clip_checkpoint: CLIP file of the frozen tower, in any form, and of the text
            embeddings where the config names no file of these.
        labelling: For the transductive mode, ``dict(self_thresh=...)``: unlabelled pixels of a
            lower probability stay without a label.
        transfer: Whether a checkpoint may have been trained for other classes; then the text
            embeddings are those of the config, and nothing is trained.
        kwargs: As in mmseg's ``EncoderDecoder``. ``test_cfg.seen_offset`` is taken from the
            scores of the seen classes.

    Raises:
        InputError: If the parts don't fit each other, or a setting is impossible.
    """

    shows_queries = True
    exclusive_classes = False

    def __init__(self, backbone: dict, decode_head: dict, mode: str = INDUCTIVE,
                 unseen: Sequence[int] | None = (), clip_checkpoint: str | None = None,
                 labelling: dict | None = None, transfer: bool = False, **kwargs: Any) -> None:
        super().__init__(backbone=backbone, decode_head=decode_head, **kwargs)
        self._check_parts()
        self.mode = mode
        self.clip_checkpoint = clip_checkpoint
        self.transfer = transfer
        classes = self.decode_head.num_classes
        given = [] if unseen is None else unseen
        self.unseen = () if given in ([], ()) else class_ids(given, classes, 'model.unseen')
        self._check_mode(labelling)
        self.labeller = Labeller(classes)
        if mode == TRANSDUCTIVE and not transfer:
            self.labeller = _self_labeller(classes, self.unseen, labelling or {})
        self.seen_offset = require_number(
            (self.test_cfg or {}).get('seen_offset', 0.0), 'test_cfg.seen_offset')
        self._offset: tuple[tuple, Tensor] | None = None
        #: What is recorded of the CLIP file behind the weights; filled when they are loaded.
        self.frozen_weights: dict[str, Any] = {}

    def _check_parts(self) -> None:
        if not isinstance(self.backbone, PromptedClipViT):
            raise InputError(f'the backbone is {type(self.backbone).__name__}, expected '
                             "'PromptedClipViT'.")
        if not isinstance(self.decode_head, ZegClipHead):
            raise InputError(f'the head is {type(self.decode_head).__name__}, expected '
                             "'ZegClipHead'.")
        self.decode_head.require_width(self.backbone.spec)

    def _check_mode(self, labelling: dict | None) -> None:
        if self.mode not in MODES:
            raise InputError(f'model.mode is {self.mode!r}, expected one of {MODES}.')
        if labelling and self.mode != TRANSDUCTIVE:
            raise InputError(f'model.labelling is for the transductive mode, model.mode is '
                             f'{self.mode!r}: leave it out.')
        classes = self.decode_head.num_classes
        if self.mode != SUPERVISED and not self.transfer and not (
                0 < len(self.unseen) < classes):
            raise InputError(f'model.unseen names {len(self.unseen)} of {classes} classes, the '
                             f'{self.mode} mode needs seen and unseen ones: name the unseen ones, '
                             'or take transfer=True to test on classes of another data set.')

    @property
    def seen(self) -> tuple[int, ...]:
        """Ids of the classes that are not unseen."""
        return tuple(index for index in range(self.decode_head.num_classes)
                     if index not in self.unseen)

    @property
    def checkpoint_meta(self) -> dict[str, Any]:
        """What checkpoints record: the frozen weights, and what text embeddings are made from."""
        head, names = self.decode_head, self.decode_head.vocabulary
        return {'frozen_weights': self.frozen_weights,
                'text_classes': None if names is None else list(load_vocabulary(names).class_names),
                'text_made_from': head.text_embeddings_path or {
                    'templates': head.templates, 'synonyms': head.synonyms}}

    def init_weights(self) -> None:
        """Load the frozen tower and the text embeddings.

        Raises:
            InputError: If a file is missing or does not fit.
        """
        load_frozen(self, pick_device())

    def require_trainable(self) -> None:
        """Refuse to train what is for tests alone.

        Raises:
            InputError: If ``transfer`` is set, or there are more classes than labels can name.
        """
        if self.transfer:
            raise InputError('model.transfer is True, with which a checkpoint is tested on other '
                             'classes: train with a config that names its unseen classes.')
        if self.decode_head.num_classes > IGNORED:
            raise InputError(f'the model has {self.decode_head.num_classes} classes, at most '
                             f'{IGNORED} can be labelled: {IGNORED} in a label map is to be '
                             'ignored.')

    def score_grid(self, img: Tensor, img_metas: list[dict], prior: Tensor | None = None,
                   token: Tensor | None = None) -> Tensor:
        """Mask logits of all classes on the patch grid, (B, K, h, w)."""
        return self.decode_head(self.extract_feat(img))

    def read_window(self, img: Tensor) -> DenseFeatures:
        """Patch features and the embedding of the image; see :class:`EncodesInputs`."""
        return self.extract_feat(img)

    def score_features(self, features: DenseFeatures, prior: Tensor | None = None,
                       token: Tensor | None = None) -> Tensor:
        """See :class:`EncodesInputs`."""
        return self.decode_head(features)

    @property
    def activation(self) -> Callable[[Tensor], Tensor]:
        """From mask logits to scores (..., K): the sigmoid, less ``seen_offset`` where seen."""
        offset = self.class_offset
        return torch.sigmoid if offset is None else partial(_less, offset=offset)

    @property
    def class_offset(self) -> Tensor | None:
        """What is taken from the score of each class, (K,); None for nothing."""
        if not self.seen_offset or not self.unseen:
            # The same for all classes, it would change nothing.
            return None
        device = self.decode_head.text.embeddings.device
        key = (device, self.seen_offset, self.unseen)
        if self._offset is None or self._offset[0] != key:
            offset = torch.full((self.decode_head.num_classes,), float(self.seen_offset))
            offset[list(self.unseen)] = 0
            self._offset = (key, offset.to(device))
        return self._offset[1]

    def probabilities(self, scores: Tensor) -> Tensor:
        """The scores themselves: masks of classes are not exclusive, and add up to anything."""
        return scores

    def replace_classes(self, *args: Any, **kwargs: Any) -> None:
        """See :class:`ReplaceableClasses`; of the new classes all count alike."""
        if not self.training:
            self.labeller = Labeller(self.decode_head.num_classes)
        super().replace_classes(*args, **kwargs)
        self.unseen = ()

    def forward_train(self, img: Tensor, img_metas: list[dict],
                      gt_semantic_seg: Tensor) -> dict[str, Tensor]:
        """One training step's losses.

        Args:
            img: (B, 3, H, W).
            img_metas: One dict an image.
            gt_semantic_seg: (B, 1, H, W), -1 is unlabelled, 255 ignored.

        Returns:
            ``decode.loss_mask``, ``decode.loss_dice``, ``decode.acc_seg``; in the transductive
            mode also the share of pixels that were labelled, ``decode.filled_self``.

        Raises:
            InputError: In the transductive mode, if a pixel carries the label of an unseen class;
                if the model is for tests alone.
        """
        self.require_trainable()
        labels = gt_semantic_seg.squeeze(1).long()
        classes = self.seen if self.mode == INDUCTIVE else None
        logits = self.decode_head(self.extract_feat(img), classes)
        # In single precision: under autocast masks would be resized, and compared, in half of it.
        logits = resize(logits.float(), labels.shape[1:], mode='bilinear',
                        align_corners=self.align_corners)
        filled = None
        if self.labeller.used:
            labels, filled = self.label_unlabelled(labels, logits.detach(), img, img_metas)
        labels = ignore_unlabelled(labels)
        if classes is not None:
            labels = self.decode_head.places(labels, classes)
        losses = self.decode_head.losses(logits, labels)
        if filled is not None:
            losses['filled_self'] = filled
        return add_prefix(losses, 'decode')

    @torch.no_grad()
    def label_unlabelled(self, labels: Tensor, logits: Tensor, img: Tensor,
                         img_metas: list[dict]) -> tuple[Tensor, Tensor]:
        """Label the unlabelled pixels with the best of the unseen classes.

        As published, by the very forward pass of the step, with its dropout; where a moving
        average is kept, by that.

        Args:
            labels: (B, H, W) int64.
            logits: Mask logits of all classes at their size, (B, K, H, W).
            img: The images, (B, 3, H, W).
            img_metas: One dict an image.

        Returns:
            Labels (B, H, W), and the share of pixels that were labelled.
        """
        if self.filling_stage(labels, img_metas) is None:
            return labels, labels.new_zeros((), dtype=torch.float32)
        if self.self_labeller is not None:
            logits = resize(self.self_labeller(img).float(), labels.shape[1:], mode='bilinear',
                            align_corners=self.align_corners)
        best, chosen = logits[:, list(self.labeller.self_classes)].max(dim=1)
        filled = self.labeller.fill_chosen('self', labels, chosen, best.float().sigmoid())
        return filled, (filled != labels).float().mean()


def _less(scores: Tensor, offset: Tensor) -> Tensor:
    return scores.sigmoid() - offset


def _self_labeller(classes: int, unseen: Sequence[int], settings: dict) -> Labeller:
    unknown = [key for key in settings if key != 'self_thresh']
    if unknown:
        raise InputError(f'model.labelling has {unknown[0]!r}, expected dict(self_thresh=...): '
                         'the unseen classes are labelled by the model itself, all the time.')
    require_number(settings.get('self_thresh', 0.0), 'model.labelling.self_thresh', minimum=0,
                   below=1, hint='0 is off')
    return Labeller(classes, self_train=_WHOLE_RUN, self_classes=unseen, **settings)
