"""What segmentors share that label the unlabelled pixels of their training images."""

from __future__ import annotations

from torch import Tensor, nn

from mmseg_maskclip.models.pseudo_labels.labeller import Labeller
from mmseg_maskclip.models.unregistered import UnregisteredModules
from mmseg_maskclip.utils import InputError


class PseudoLabelled(UnregisteredModules):
    """Mixin of segmentors with a :class:`Labeller`.

    Attributes:
        labeller: Says which stage labels, and what.
        iteration: Training iteration, counted from 1; set by ``IterationHook``.
    """

    labeller: Labeller
    iteration = 0

    @property
    def self_labeller(self) -> nn.Module | None:
        """What gives pseudo-labels in self-training, such as the student's moving average.

        A module from (B, 3, H, W) to scores (B, K, h, w); None is the student itself.
        """
        return self.unregistered('self_labeller')

    def filling_stage(self, labels: Tensor, img_metas: list[dict]) -> str | None:
        """The stage that has to label pixels of this step, None where none has.

        Args:
            labels: (B, H, W) int64, -1 is unlabelled.
            img_metas: One dict an image.

        Raises:
            InputError: If a pixel carries the label of an unlabelled class, or
                the iteration is not known.
        """
        if self.iteration < 1:
            raise InputError("the segmentor does not know the training iteration: add "
                             "dict(type='IterationHook') to custom_hooks of the config.")
        leak, empty = self.labeller.inspect(labels)
        if leak:
            self._refuse_leak(labels, img_metas)
        return self.labeller.stage(self.iteration) if empty else None

    def _refuse_leak(self, labels: Tensor, img_metas: list[dict]) -> None:
        for label, meta in zip(labels, img_metas):
            ids = sorted(set(label.unique().tolist()) & set(self.labeller.unlabelled_classes))
            if ids:
                raise InputError(f"{meta.get('filename')} has labels of classes {ids}, which "
                                 "must be unlabelled: set data.train.unlabelled to 'unseen', "
                                 "'all' or the names of these classes, or for a set of which only "
                                 "some images have labels data.train.missing_labels to "
                                 "'unlabelled'.")
