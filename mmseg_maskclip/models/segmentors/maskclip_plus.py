"""MaskCLIP+: any segmentor, trained on pseudo-labels of a frozen CLIP."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any, cast

import torch
from mmseg.core import add_prefix
from mmseg.models.builder import SEGMENTORS
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor

from mmseg_maskclip.clip import pick_device, read_clip_checkpoint
from mmseg_maskclip.models.backbones import DenseFeatures
from mmseg_maskclip.models.class_weight.build import build_class_weight, settings_of_student
from mmseg_maskclip.models.class_weight.load import check_class_weight, load_class_weight
from mmseg_maskclip.models.pseudo_labels.distillation import Distillation
from mmseg_maskclip.models.pseudo_labels.labeller import Labeller
from mmseg_maskclip.models.pseudo_labels.pseudo_labelled import PseudoLabelled
from mmseg_maskclip.models.pseudo_labels.teacher import (
    build_teacher,
    check_order,
    dense_clip,
    fill_by_teacher,
    teacher_file,
    teacher_spec,
)
from mmseg_maskclip.models.segmentors.encoding import EncodesInputs
from mmseg_maskclip.models.segmentors.maskclip import MaskClip
from mmseg_maskclip.models.segmentors.replaceable_classes import ReplaceableClasses
from mmseg_maskclip.models.segmentors.tiled_inference import TiledInference
from mmseg_maskclip.models.weights.clip import load_clip
from mmseg_maskclip.models.weights.text import load_text, named_bank
from mmseg_maskclip.ops import LOGIT_SCALE, ignore_unlabelled
from mmseg_maskclip.ops.precision import PRECISIONS, running_in
from mmseg_maskclip.utils import InputError


@SEGMENTORS.register_module()
class MaskClipPlus(PseudoLabelled, EncodesInputs, ReplaceableClasses, TiledInference,
                   EncoderDecoder):
    """Student segmentor with a frozen MaskCLIP teacher (MaskCLIP, Sec. 3.4).

    The teacher is :class:`MaskClip` itself. It is not registered: no optimizer,
    no DDP and no checkpoint sees it.

    Args:
        backbone: Config of the student's backbone.
        decode_head: Config of a ``MaskClipPlusHead``.
        teacher: Config of the ``MaskClip`` teacher, built where a stage or
            ``distill`` uses it; without one ``text_embeddings_path`` is required.
        labelling: Arguments of :class:`Labeller` except the number of classes;
            None to train on the given labels alone.
        distill: Arguments of :class:`Distillation`; None for no distillation.
        class_weight: Keys of :class:`ClassWeightSettings`; None for no class weight.
        teacher_precision: ``'fp32'``, ``'bf16'`` or, on a GPU, ``'fp16'``: what the teacher's
            tower computes in, whatever the student does; None for the student's.
        kwargs: As in mmseg's ``EncoderDecoder``.

    Raises:
        InputError: If the parts don't fit each other.
    """

    def __init__(self, backbone: dict, decode_head: dict, teacher: dict | None = None,
                 labelling: dict | None = None, distill: dict | None = None,
                 class_weight: dict | None = None, teacher_precision: str | None = None,
                 **kwargs: Any) -> None:
        super().__init__(backbone=backbone, decode_head=decode_head, **kwargs)
        if teacher_precision not in (None, *PRECISIONS):
            raise InputError(f'teacher_precision is {teacher_precision!r}, expected one of '
                             f'{PRECISIONS}.')
        self.teacher_precision = teacher_precision
        self.labeller = Labeller(self.decode_head.num_classes, **(labelling or {}))
        self.distillation = Distillation(**distill) if distill is not None else None
        guided = self.labeller.clip_guided.start > 0 or self.distillation is not None
        self._teacher_config = teacher
        if guided:
            if teacher is None:
                raise InputError('clip_guided or distill is on, but the config has no teacher: set '
                                 'model.teacher to a MaskClip config.')
            self.set_unregistered('teacher', build_teacher(teacher, self.decode_head,
                                                           self.labeller))
        settings = settings_of_student(
            class_weight, training=self.labeller.used or self.train_cfg is not None,
            teacher_labels=self.labeller.clip_guided.start > 0, reads_crops=self.labeller.used)
        if settings is not None:
            self.set_unregistered('class_weight', build_class_weight(
                settings, self.decode_head.text.num_classes, dense_clip(teacher, self.teacher)))

    def init_weights(self) -> None:
        """Load pretrained weights of the student, the teacher, and the text embeddings.

        Raises:
            InputError: If a file is missing or does not fit.
        """
        head, device = self.decode_head, pick_device()
        teacher, config = self.teacher, self._teacher_config
        if teacher is not None:
            # Before anything large is read.
            check_order(teacher.decode_head.vocabulary, head.vocabulary)
        if self.class_weight is not None:
            check_class_weight(self.class_weight, head,
                               teacher.backbone if teacher is not None else None)
        super().init_weights()
        checkpoint = None
        if config is not None and teacher is not None:
            checkpoint = load_clip(teacher, teacher_file(config), device)
            load_text(head, teacher.backbone.spec, checkpoint, device)
        elif config is not None:
            load_text(head, teacher_spec(config), read_clip_checkpoint(teacher_file(config)),
                      device)
        elif head.text_embeddings_path is not None:
            head.set_text_bank(named_bank(head.text_embeddings_path, head.vocabulary,
                                          (head.text.num_classes, head.text_channels)))
        else:
            raise InputError('without a teacher the text embeddings come from a file: set '
                             'model.decode_head.text_embeddings_path.')
        if self.class_weight is not None:
            load_class_weight(self.class_weight, head, device, checkpoint,
                              teacher.backbone if teacher is not None else None)

    @property
    def teacher(self) -> MaskClip | None:
        """The frozen teacher, None where no stage or loss uses one."""
        return self.unregistered('teacher')

    def prior_of(self, img: Tensor | None, img_metas: list[dict]) -> Tensor | None:
        """Cosines of whole images with the text classes, (B, K); see :class:`TiledInference`."""
        weight = self.class_weight
        teaching = self.training and self.labeller.stage(self.iteration) == 'clip'
        if weight is None or not (weight.settings.on_student or teaching):
            return None
        return weight.of_images(img_metas, img)

    def weigh(self, scores: Tensor, prior: Tensor | None) -> Tensor:
        """The student's scores with the class weight applied.

        Args:
            scores: (B, K, h, w), with the background where the head has one.
            prior: Output of :meth:`prior_of`.

        Returns:
            (B, K, h, w).
        """
        weight = self.class_weight
        if prior is None or weight is None or not weight.settings.on_student:
            return scores
        return weight(scores, prior, scale=1.0, skip=self.decode_head.background)

    def score_grid(self, img: Tensor, img_metas: list[dict], prior: Tensor | None = None,
                   token: Tensor | None = None) -> Tensor:
        """The student's weighted scores on its own grid, (B, K, h, w)."""
        return self.weigh(self.decode_head(self.extract_feat(img)), prior)

    def read_window(self, img: Tensor) -> Tensor:
        """The decoder's features; see :class:`EncodesInputs`."""
        return self.decode_head.features(self.extract_feat(img))

    def score_features(self, features: Tensor, prior: Tensor | None = None,
                       token: Tensor | None = None) -> Tensor:
        """See :class:`EncodesInputs`."""
        return self.weigh(self.decode_head.classify(features), prior)

    def forward_train(self, img: Tensor, img_metas: list[dict],
                      gt_semantic_seg: Tensor) -> dict[str, Tensor]:
        """One training step's losses.

        Args:
            img: (B, 3, H, W).
            img_metas: One dict an image.
            gt_semantic_seg: (B, 1, H, W), -1 is unlabelled, 255 ignored.

        Returns:
            Losses and other values to log, prefixed ``decode.``; during a
            stage also the share of pixels it labelled, ``filled_clip`` or
            ``filled_self``.

        Raises:
            InputError: If a pixel carries the label of an unlabelled class.
        """
        head = self.decode_head
        inputs = self.extract_feat(img)
        features = head.features(inputs)
        given = gt_semantic_seg.squeeze(1).long()
        dense = self._teach(img) if self.distillation is not None else None
        prior = self.prior_of(None, img_metas)
        # Before dropout: the student's own labels and the distance to the teacher are free of its
        # noise.
        labels, filled = self.label_unlabelled(given, img, img_metas, features.detach(), dense,
                                               prior)
        distance = (self.distillation.loss(features, dense.features, given)
                    if self.distillation is not None and dense is not None else None)
        if head.dropout is not None:
            features = head.dropout(features)
        # mmseg's losses know of 255 alone: what no stage has labelled is ignored.
        losses = head.losses(self.weigh(head.classify(features), prior),
                             ignore_unlabelled(labels)[:, None])
        stage = self.labeller.stage(self.iteration)
        if stage is not None:
            losses[f'filled_{stage}'] = filled
        if distance is not None:
            losses['loss_distill'] = distance
        losses = add_prefix(losses, 'decode')
        if self.with_auxiliary_head:
            losses.update(self._auxiliary_head_forward_train(
                inputs, img_metas, ignore_unlabelled(labels)[:, None]))
        return losses

    @torch.no_grad()
    def label_unlabelled(self, labels: Tensor, img: Tensor, img_metas: list[dict],
                         features: Tensor, dense: DenseFeatures | None = None,
                         prior: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Label the unlabelled pixels of a step, by the stage of this iteration.

        Args:
            labels: (B, H, W) int64.
            img: The images, (B, 3, H, W).
            img_metas: One dict an image.
            features: The student's decoder features, (B, D, h, w).
            dense: The teacher's features, if they are computed already.
            prior: Output of :meth:`prior_of`.

        Returns:
            Labels (B, H, W), and the share of pixels filled or None where
            no labeller is in use.
        """
        if not self.labeller.used:
            return labels, None
        stage = self.filling_stage(labels, img_metas)
        if stage is None:
            # A number all the same: mmseg sums each log value over the processes, of which others
            # may have had something to fill.
            return labels, labels.new_zeros((), dtype=torch.float32)
        if stage == 'self':
            filled = self.labeller.fill(stage, labels, self._own_scores(img, features, prior))
        else:
            filled = self._fill_by_teacher(labels, img, dense or self._teach(img), prior)
        return filled, (filled != labels).float().mean()

    @property
    def _built_teacher(self) -> MaskClip:
        """The teacher in a stage or loss that reads it: the constructor has built it for them."""
        return cast(MaskClip, self.teacher)

    @torch.no_grad()
    def _teach(self, img: Tensor) -> DenseFeatures:
        own = self.teacher_precision
        with contextlib.nullcontext() if own is None else running_in(own, img.device):
            return self._built_teacher.extract_feat(img, whole=True)

    def _own_scores(self, img: Tensor, features: Tensor, prior: Tensor | None) -> Tensor:
        """The student's scores of the classes it may assign, (B, C, h, w)."""
        scores = (self.decode_head.classify(features) if self.self_labeller is None
                  else self.self_labeller(img))
        return self.weigh(scores, prior)[:, list(self.labeller.self_classes)]

    def _fill_by_teacher(self, labels: Tensor, img: Tensor, dense: DenseFeatures,
                         prior: Tensor | None) -> Tensor:
        # The teacher has no background: the student's class 1 is its class 0.
        shift = self.decode_head.background
        classes = [index - shift for index in self.labeller.clip_classes]
        weight, reweigh = self.class_weight, None
        if prior is not None and weight is not None and weight.settings.on_teacher:
            reweigh = partial(weight, cosines=prior[:, classes], scale=LOGIT_SCALE)
        return fill_by_teacher(self._built_teacher, self.labeller, labels, img, dense, classes,
                               reweigh)
