"""MaskCLIP+: any segmentor, trained on labels that a frozen CLIP completes."""

from __future__ import annotations

from typing import Any, Callable

import torch
from mmcv.runner import HOOKS, Hook
from mmseg.core import add_prefix
from mmseg.models.builder import SEGMENTORS, build_segmentor
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from mmseg_maskclip.clip import TextBank, pick_device
from mmseg_maskclip.models.backbones import DenseFeatures
from mmseg_maskclip.models.clip_loading import load_clip, load_text
from mmseg_maskclip.models.distillation import Distillation
from mmseg_maskclip.models.labeller import Labeller
from mmseg_maskclip.models.segmentors.maskclip import MaskClip
from mmseg_maskclip.models.segmentors.tiled_inference import TiledInference
from mmseg_maskclip.ops import ignore_unlabelled
from mmseg_maskclip.utils import InputError


class Aside:
    """Keeps a module out of its owner's parameters, buffers and checkpoints.

    Args:
        module: The module, or None.
    """

    def __init__(self, module: nn.Module | None) -> None:
        self.module = module


@HOOKS.register_module()
class IterationHook(Hook):
    """Tells the segmentor which training iteration runs, counted from 1.

    The stages follow the runner, which a resumed run restores and which no
    evaluation moves.
    """

    def before_train_iter(self, runner: Any) -> None:
        """Called by the runner."""
        model = runner.model.module if hasattr(runner.model, 'module') else runner.model
        model.iteration = runner.iter + 1


@SEGMENTORS.register_module()
class MaskClipPlus(TiledInference, EncoderDecoder):
    """Student segmentor with a frozen MaskCLIP teacher (MaskCLIP, Sec. 3.4).

    The teacher is :class:`MaskClip` itself. It is no submodule: no optimizer,
    no DDP and no checkpoint sees it.

    Args:
        backbone: Config of the student's backbone.
        decode_head: Config of a ``MaskClipPlusHead``.
        teacher: Config of the ``MaskClip`` teacher, or None where no stage
            asks for one.
        labelling: Arguments of :class:`Labeller` but the number of classes;
            None trains on the given labels alone.
        distill: Arguments of :class:`Distillation`; None holds the student to
            its labels alone.
        kwargs: As in mmseg's ``EncoderDecoder``.

    Raises:
        InputError: If the parts don't fit each other.
    """

    #: What labels in the student's place in its own stage: (B, 3, H, W) to scores
    #: (B, K, h, w), such as a moving average of the student; None is the student itself.
    self_labeller: Callable[[Tensor], Tensor] | None = None

    def __init__(self, backbone: dict, decode_head: dict, teacher: dict | None = None,
                 labelling: dict | None = None, distill: dict | None = None,
                 **kwargs: Any) -> None:
        super().__init__(backbone=backbone, decode_head=decode_head, **kwargs)
        self.labeller = Labeller(self.decode_head.num_classes, **(labelling or {}))
        self.distillation = Distillation(**distill) if distill is not None else None
        guided = self.labeller.clip_guided.start > 0 or self.distillation is not None
        if guided and teacher is None:
            raise InputError('clip_guided or distill is on, but the config has no teacher: set '
                             'model.teacher to a MaskClip config.')
        self.iteration = 0
        self._aside = Aside(self._build_teacher(teacher) if guided else None)

    def _build_teacher(self, config: dict) -> MaskClip:
        teacher = build_segmentor(config)
        if not isinstance(teacher, MaskClip):
            raise InputError(f"the teacher is {type(teacher).__name__}, 'MaskClip' was expected.")
        texts = self.decode_head.text.num_classes
        if teacher.decode_head.num_classes != texts:
            raise InputError(f'the teacher has {teacher.decode_head.num_classes} classes, the '
                             f'student {texts} texts: both need the same vocabulary.')
        if teacher.decode_head.text_channels != self.decode_head.text_channels:
            raise InputError(f'the teacher has text_channels={teacher.decode_head.text_channels}, '
                             f'the student {self.decode_head.text_channels}: both are dotted with '
                             'the same texts; set model.decode_head.text_channels to the '
                             "teacher's.")
        if self.decode_head.cls_bg and 0 in self.labeller.clip_classes:
            raise InputError('clip_classes holds class 0, the background, which CLIP has no text '
                             'for: leave it out.')
        return teacher.requires_grad_(False).eval()

    def init_weights(self) -> None:
        """Load what training starts from: student, teacher, and the student's texts.

        Raises:
            InputError: If a file is missing or does not fit.
        """
        super().init_weights()
        head = self.decode_head
        if self.teacher is None:
            if head.text_embeddings_path is None:
                raise InputError('without a teacher the texts come from a file: set '
                                 'model.decode_head.text_embeddings_path.')
            head.set_text_bank(TextBank.load(head.text_embeddings_path))
            return
        if self.teacher.clip_checkpoint is None:
            raise InputError('the teacher has no weights: set model.teacher.clip_checkpoint to a '
                             'CLIP file, such as pretrain/ViT-B-16.pt (bash download_weights.sh).')
        device = pick_device()
        checkpoint = load_clip(self.teacher, self.teacher.clip_checkpoint, device)
        load_text(head, self.teacher.backbone, checkpoint, device)

    @property
    def teacher(self) -> MaskClip | None:
        """The frozen teacher, None where no stage asks for one."""
        return self._aside.module

    def _apply(self, fn: Callable, *args: Any, **kwargs: Any) -> MaskClipPlus:
        """Moves and casts take the teacher along."""
        if self.teacher is not None:
            self.teacher._apply(fn, *args, **kwargs)
        return super()._apply(fn, *args, **kwargs)

    def score_grid(self, img: Tensor, img_metas: list[dict]) -> Tensor:
        """The student's scores on its own grid, (B, K, h, w)."""
        return self.decode_head(self.extract_feat(img))

    def forward_train(self, img: Tensor, img_metas: list[dict],
                      gt_semantic_seg: Tensor) -> dict[str, Tensor]:
        """One training step's losses.

        Args:
            img: (B, 3, H, W).
            img_metas: One dict an image.
            gt_semantic_seg: (B, 1, H, W), -1 is unlabelled, 255 ignored.

        Returns:
            Losses and what is logged with them, prefixed ``decode.``; with a
            labeller also the share of pixels it filled.

        Raises:
            InputError: If a pixel carries the label of an unlabelled class.
        """
        head = self.decode_head
        inputs = self.extract_feat(img)
        features = head.features(inputs)
        given = gt_semantic_seg.squeeze(1).long()
        dense = self._teach(img) if self.distillation else None
        labels, filled = self.complete(given, img, img_metas, features.detach(), dense)
        distance = (self.distillation.loss(features, dense.features, given)
                    if self.distillation else None)
        if head.dropout is not None:
            features = head.dropout(features)
        losses = head.losses(head.classify(features), ignore_unlabelled(labels)[:, None])
        if filled is not None:
            losses['filled'] = filled
        if distance is not None:
            losses['loss_distill'] = distance
        losses = add_prefix(losses, 'decode')
        if self.with_auxiliary_head:
            losses.update(self._auxiliary_head_forward_train(
                inputs, img_metas, ignore_unlabelled(labels)[:, None]))
        return losses

    @torch.no_grad()
    def complete(self, labels: Tensor, img: Tensor, img_metas: list[dict],
                 features: Tensor, dense: DenseFeatures | None = None
                 ) -> tuple[Tensor, Tensor | None]:
        """Complete the labels of a step by whoever is active in this iteration.

        Args:
            labels: (B, H, W) int64.
            img: The images, (B, 3, H, W).
            img_metas: One dict an image.
            features: The student's decoder features, (B, D, h, w).
            dense: The teacher's features, where they are known already.

        Returns:
            Labels (B, H, W), and the share of pixels filled or None where
            no labeller is in use.
        """
        if not self.labeller.used:
            return labels, None
        if self.iteration < 1:
            raise InputError("the segmentor is not told the training iteration: add "
                             "dict(type='IterationHook') to custom_hooks of the config.")
        leak, empty = self.labeller.look(labels)
        if leak:
            self._refuse_leak(labels, img_metas)
        stage = self.labeller.stage(self.iteration)
        if not empty or stage is None:
            return labels, labels.new_zeros((), dtype=torch.float32)
        scores = self._candidate_scores(stage, img, features, dense)
        filled = self.labeller.fill(stage, labels, scores)
        return filled, (filled != labels).float().mean()

    @torch.no_grad()
    def _teach(self, img: Tensor) -> DenseFeatures:
        return self.teacher.extract_feat(img)

    def _candidate_scores(self, stage: str, img: Tensor, features: Tensor,
                          dense: DenseFeatures | None) -> Tensor:
        """Scores of the classes a stage may give, (B, C, h, w)."""
        if stage == 'self':
            scores = (self.decode_head.classify(features) if self.self_labeller is None
                      else self.self_labeller(img))
            return scores[:, list(self.labeller.self_classes)]
        shift = int(self.decode_head.cls_bg)
        return self.teacher.score_classes(
            dense or self._teach(img), [index - shift for index in self.labeller.clip_classes])

    def _refuse_leak(self, labels: Tensor, img_metas: list[dict]) -> None:
        for label, meta in zip(labels, img_metas):
            ids = sorted(set(label.unique().tolist()) & set(self.labeller.unlabelled_classes))
            if ids:
                raise InputError(f"{meta.get('filename')} carries labels of classes {ids}, which "
                                 "are to be unlabelled: set data.train.unlabelled to 'unseen', "
                                 "'all' or the names of these classes.")
