"""Base of the heads that classify by text embeddings."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from mmseg.models.decode_heads.decode_head import BaseDecodeHead

from mmseg_maskclip.clip import ClipSpec, TextBank
from mmseg_maskclip.models.decode_heads.text_classifier import TextClassifier
from mmseg_maskclip.utils import InputError


class TextHead(BaseDecodeHead):
    """An mmseg head with text embeddings in place of its last convolution.

    Args:
        num_classes: K.
        text_channels: D, the width of CLIP's joint space.
        vocabulary: Classes of the text bank: the name of a published class
            set, a text file, or a list of names.
        templates: Prompt templates, by name or as a list.
        synonyms: ``'mean'`` averages the embeddings of a class's synonyms,
            ``'separate'`` keeps them apart and takes the best score.
        text_embeddings_path: A text bank file; None finds or builds the bank
            of ``vocabulary`` when the CLIP checkpoint is loaded.
        background: Leading classes without a text embedding, 0 or 1.
        kwargs: As in mmseg's ``BaseDecodeHead``.
    """

    def __init__(self, num_classes: int, text_channels: int,
                 vocabulary: str | Sequence[str] | None, templates: str | Sequence[str],
                 synonyms: str, text_embeddings_path: str | None, background: int = 0,
                 **kwargs: Any) -> None:
        # out_channels and threshold are given, or mmseg warns about heads of one or two classes.
        super().__init__(channels=text_channels, num_classes=num_classes,
                         out_channels=num_classes, threshold=0.5, **kwargs)
        # Text embeddings take its place; left in, it would be in every checkpoint.
        del self.conv_seg
        self.text_channels = text_channels
        self.vocabulary = vocabulary
        self.templates = templates
        self.synonyms = synonyms
        self.text_embeddings_path = text_embeddings_path
        self.background = background
        self.text = TextClassifier(num_classes - background)
        self.contrast_words: str | Sequence[str] | None = None
        self.auxiliary: Mapping | None = None

    def require_width(self, spec: ClipSpec) -> None:
        """Check that features of a CLIP model can be compared with this head's embeddings.

        Args:
            spec: The model.

        Raises:
            InputError: If its joint space has another width.
        """
        if spec.embed_dim != self.text_channels:
            raise InputError(f'text_channels is {self.text_channels}, CLIP model {spec.name} has '
                             f'{spec.embed_dim}: set model.decode_head.text_channels to that.')

    def expect_words(self, words: str | Sequence[str] | None) -> None:
        """Make room for contrast words behind the classes.

        Args:
            words: As a ``vocabulary``; None for none.
        """
        self.contrast_words = words
        self.text.contrast = words is not None

    def set_text_bank(self, bank: TextBank, words: TextBank | None = None) -> None:
        """Set the text embeddings.

        Args:
            bank: Embeddings (R, text_channels) of the head's classes.
            words: Those of the contrast words, where the head expects some.

        Raises:
            InputError: If width or number of classes differ, or the words are missing.
        """
        bank.check(width=self.text_channels)
        rows = None if words is None else words.check(width=self.text_channels).embeddings
        self.text.set_bank(bank, rows)

    def replace_classes(self, bank: TextBank) -> None:
        """Classify into other classes, any number of them.

        Args:
            bank: Embeddings (R, text_channels) of the new classes.

        Raises:
            InputError: If the width differs.
        """
        bank.check(width=self.text_channels)
        words = self.text.contrast_rows
        self.text.num_classes = len(bank.class_names)
        self.text.set_bank(bank, words)
        self.num_classes = self.out_channels = self.text.num_classes + self.background
        self.vocabulary = list(bank.class_names)
