"""A folder of pictures and class names of the user's own, in place of a config's test set."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from mmcv import Config, ConfigDict

from mmseg_maskclip.engine.config import dataset_class, test_settings
from mmseg_maskclip.utils import InputError, require_dir

# Trained once, it segments into whatever it is given the text embeddings of.
_ANY_CLASSES = 'ZegClip'


def set_images(config: Config, folder: str) -> None:
    """Test on a folder of pictures, as ``--img-dir`` does.

    A trained ZegCLIP takes one in place of any test set: pictures go through
    its own test pipeline. Its classes stay those of the config until
    :func:`set_classes` gives others.

    Args:
        config: Changed in place.
        folder: The folder.

    Raises:
        InputError: If it is missing, or the config is of another model and of
            a data set with labels.
    """
    require_dir(folder, 'image folder')
    if not _takes_class_names(config):
        settings = test_settings(config)[0]
        if config.model.get('type') != _ANY_CLASSES:
            raise InputError(f'--img-dir needs a config on a folder of images, not on '
                             f'{settings.type}: use '
                             'configs/maskclip/maskclip_vit16_512x512_demo.py.')
        config.data.test = ConfigDict(
            type='ImageFolderDataset', classes=_names(config), pipeline=settings.pipeline)
    config.data.test.img_dir = str(Path(folder).resolve())
    config.data.test.data_root = None


def set_classes(config: Config, classes: Sequence[str], background: Sequence[str] = ()) -> None:
    """Segment into other classes, as ``--classes`` and ``--background`` do.

    Args:
        config: A config of MaskCLIP or ZegCLIP on a folder of images.
        classes: Class names; or one file of names, or the name of a published
            set; synonyms of a class are separated by ``;``.
        background: Names of classes that are drawn black.

    Raises:
        InputError: On an empty or duplicated list, or a config whose dataset
            has fixed classes.
    """
    from mmseg_maskclip.clip import load_vocabulary, vocabulary_of_words

    if not _takes_class_names(config):
        kind = test_settings(config)[0].type
        fix = ('give --img-dir, too' if config.model.get('type') == _ANY_CLASSES else
               'use configs/maskclip/maskclip_vit16_512x512_demo.py')
        raise InputError(f'--classes needs a config on a folder of images, {kind} has its own '
                         f'classes: {fix}.')
    vocabulary = vocabulary_of_words(classes)
    extra = vocabulary_of_words(background).entries if background else ()
    if vocabulary.colors:
        config.data.test.palette = [*map(list, vocabulary.colors), *([0, 0, 0] for _ in extra)]
    names = ['; '.join(entry) for entry in (*vocabulary.entries, *extra)]
    # Once more together, which finds a name that stands in both lists.
    vocabulary = load_vocabulary(names)
    config.data.test.classes = list(vocabulary.class_names[:len(names) - len(extra)])
    config.data.test.background_classes = list(vocabulary.class_names[len(names) - len(extra):])
    _set_names(config.model, names)


def _set_names(model: ConfigDict, names: list[str]) -> None:
    """Class names of the model, and nothing that was made for those they replace."""
    model.decode_head.update(vocabulary=names, num_classes=len(names), text_embeddings_path=None)
    if model.get('class_weight'):
        model.class_weight.update(vocabulary=None, text_features_path=None)
    if model.get('type') == _ANY_CLASSES:
        # None of the new classes was seen in training, by the numbers of the old ones.
        model.update(transfer=True, unseen=[])
        model.setdefault('test_cfg', ConfigDict())['seen_offset'] = 0.0


def _names(config: Config) -> list[str]:
    """The class names a config has, of its vocabulary or else of its data set."""
    from mmseg_maskclip.clip import load_vocabulary

    settings = test_settings(config)[0]
    known = (config.model.decode_head.get('vocabulary') or settings.get('classes')
             or getattr(dataset_class(settings), 'CLASSES', None))
    return list(load_vocabulary(known, 'class names of the config').class_names)


def _takes_class_names(config: Config) -> bool:
    """Whether the test set is pictures and class names of the user's own."""
    found = config.data.test
    return isinstance(found, dict) and getattr(dataset_class(found), 'TAKES_CLASS_NAMES', False)
