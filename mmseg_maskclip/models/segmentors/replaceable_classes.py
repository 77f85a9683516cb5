"""Other class names on a model that is built and loaded."""

from __future__ import annotations

from typing import Any

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.models.class_weight import ClassWeight
from mmseg_maskclip.models.unregistered import UnregisteredModules
from mmseg_maskclip.utils import InputError


class ReplaceableClasses(UnregisteredModules):
    """Mixin of segmentors whose head classifies by text embeddings."""

    decode_head: Any

    @property
    def class_weight(self) -> ClassWeight | None:
        """The prior from whole images, None without one; no part of checkpoints."""
        return self.unregistered('class_weight')

    def replace_classes(self, bank: TextBank, prior_bank: TextBank | None = None) -> None:
        """Segment into other classes from now on, without training or loading again.

        Args:
            bank: Text embeddings of the new classes, of the model's CLIP.
            prior_bank: The same classes for the class weight's CLIP, one row
                each; needed where the model has a class weight.

        Raises:
            InputError: If a bank is of another width or CLIP model, the class
                weight's is missing, or the model's training labels its classes.
        """
        weight, labeller = self.class_weight, getattr(self, 'labeller', None)
        if labeller is not None and labeller.used:
            raise InputError('the classes of a model in training cannot be replaced: its '
                             'pseudo-labels are ids of these; change the config.')
        if weight is not None:
            if prior_bank is None or prior_bank.class_names != bank.class_names:
                raise InputError('the class weight needs the text embeddings of the same classes: '
                                 'give prior_bank, made with CLIP model '
                                 f'{weight.classifier.spec.name}.')
            weight.classifier.replace_classes(prior_bank)
        self.decode_head.replace_classes(bank)
        # mmseg copies the head's numbers into the segmentor when it is built.
        self.num_classes = self.out_channels = self.decode_head.num_classes
        background = ['background'] * self.decode_head.background
        self.CLASSES = (*background, *bank.class_names)
