"""Folders of images, and class names of the user's own."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmcv.utils import print_log
from mmseg.datasets import CustomDataset
from mmseg.datasets.builder import DATASETS
from mmseg.utils import get_root_logger

from mmseg_maskclip.clip import combine_vocabularies, load_vocabulary
from mmseg_maskclip.datasets.base import OpenVocabularyMixin
from mmseg_maskclip.datasets.palettes import BLACK, make_palette
from mmseg_maskclip.datasets.reading import read_names
from mmseg_maskclip.utils import InputError
from mmseg_maskclip.utils.images import PICTURES


@DATASETS.register_module()
class ImageFolderDataset(OpenVocabularyMixin, CustomDataset):
    """All images below a folder, without labels.

    Args:
        classes: Class names, a text file with one per line, or the name of a
            published vocabulary. A name may hold synonyms (``'person;
            people'``): the first one is displayed.
        background_classes: Names that compete for pixels but are drawn black.
            Those that are not among ``classes`` are added behind them.
        palette: One RGB triple per class; by default distinct colours.
        **kwargs: ``pipeline``, ``img_dir``, ``data_root``, ``test_mode`` and
            so on; ``split`` may name a text file of image files below
            ``img_dir``.

    Raises:
        InputError: If the folder is missing or holds no image, or the class
            list is empty, has blanks or duplicates.
    """

    TAKES_CLASS_NAMES = True
    PREPARE = f'Expected images ending in {", ".join(PICTURES)}, in any case.'

    def __init__(self, *, classes: str | Sequence[str],
                 background_classes: str | Sequence[str] | None = None,
                 palette: Sequence[Sequence[int]] | None = None, **kwargs) -> None:
        vocabularies = [load_vocabulary(classes, 'class list of the image folder')]
        background: set[str] = set()
        if background_classes:
            vocabularies.append(load_vocabulary(background_classes, 'list of background classes'))
            background = {name.lower() for name in vocabularies[-1].class_names}
        names = list(combine_vocabularies(vocabularies).class_names)
        if palette is None:
            palette = [list(BLACK) if name.lower() in background else color
                       for name, color in zip(names, make_palette(len(names)))]
        if len(palette) != len(names):
            raise InputError(f'the palette has {len(palette)} colours for {len(names)} classes.')
        if kwargs.get('ann_dir') is not None:
            raise InputError('ImageFolderDataset reads no labels, ann_dir must be left out: '
                             'use one of the data sets with labels to evaluate.')
        super().__init__(classes=names, palette=palette, **kwargs)

    def load_annotations(self, img_dir: str, img_suffix: str, ann_dir: str | None,
                         seg_map_suffix: str, split: str | None) -> list[dict]:
        """List the images below ``img_dir``, or those named in ``split``."""
        names = _images_below(img_dir) if split is None else read_names(split, 'split list')
        if not names:
            raise InputError(f'no image was found in {img_dir}. {self.PREPARE}')
        print_log(f'Loaded {len(names)} images', logger=get_root_logger())
        return [{'filename': name, 'ann': {'seg_map': None}} for name in names]

    def evaluate(self, results: Sequence, *args, **kwargs) -> dict[str, float]:
        """There is nothing to evaluate against.

        Raises:
            InputError: Always.
        """
        raise InputError(f'the image folder {self.img_dir} has no labels, so there is nothing '
                         'to evaluate against: use --show-dir or --out instead of --eval.')

    pre_eval = evaluate


@DATASETS.register_module()
class LabelledFolderDataset(OpenVocabularyMixin, CustomDataset):
    """A folder of images and one of label PNGs of the same names, with classes of one's own.

    That is what ``maskclip predict`` writes and annotation tools export. Where only some
    images have labels, ``missing_labels='unlabelled'`` trains on the others by a teacher.

    Args:
        classes: Class names, a text file with one per line such as the ``classes.txt`` beside
            the labels, or the name of a published vocabulary. Ids count in its order; 255 is
            ignored.
        palette: One RGB triple per class; by default distinct colours.
        img_suffix: Suffixes of the images.
        **kwargs: As for :class:`OpenVocabularyMixin` and mmseg's ``CustomDataset``.

    Raises:
        InputError: If a folder is missing or holds no image, or the class list is empty, has
            blanks or duplicates.
    """

    PREPARE = ('Expected images in img_dir and labels of the same names in ann_dir, *.png with the '
               'id of a class in each pixel.')

    def __init__(self, *, classes: str | Sequence[str],
                 palette: Sequence[Sequence[int]] | None = None,
                 img_suffix: str | Sequence[str] = PICTURES, **kwargs) -> None:
        names = load_vocabulary(classes, 'class list of the labelled folder').class_names
        palette = make_palette(len(names)) if palette is None else palette
        super().__init__(classes=list(names), palette=palette, img_suffix=img_suffix, **kwargs)


def _images_below(folder: str) -> list[str]:
    """Relative names of all images, sorted; hidden files are left out."""
    found = []
    for parent, subfolders, files in os.walk(folder):
        # In place, so that os.walk does not enter hidden folders.
        subfolders[:] = [name for name in subfolders if not name.startswith('.')]
        found += [os.path.relpath(os.path.join(parent, name), folder) for name in files
                  if name.lower().endswith(PICTURES) and not name.startswith('.')]
    return sorted(found)
