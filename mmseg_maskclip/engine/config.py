"""Config files: read with clear errors, and changed by flags."""

from __future__ import annotations

import difflib
import gc
import os
import sys
from pathlib import Path
from typing import Iterator, Mapping, Sequence

from mmcv import Config

from mmseg_maskclip.engine.border import from_config, last_line
from mmseg_maskclip.engine.unread import READ, hint_for
from mmseg_maskclip.utils import InputError, require_dir, require_file, require_number

_PACKAGE = Path(__file__).resolve().parents[1]
# In an installed package configs lie inside it, in a checkout beside it.
_FOLDERS = (_PACKAGE / 'configs', _PACKAGE.parent / 'configs')
AUG_RATIOS = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]


def find_config(path: str | Path) -> Path:
    """A config file, or the shipped one of that name.

    Args:
        path: A file, or a path below ``configs/`` such as
            ``maskclip/maskclip_vit16_512x512_demo.py``.

    Raises:
        InputError: If there is neither.
    """
    for folder in _FOLDERS:
        for shipped in (folder / path, folder.parent / path):
            if not Path(path).exists() and folder in shipped.parents and shipped.is_file():
                return shipped
    return require_file(path, 'config', 'See configs/ for the shipped ones.')


def shipped_folder(name: str) -> Path:
    """A folder of shipped configs.

    Args:
        name: Its path below ``configs/``.
    """
    return next(folder / name for folder in _FOLDERS if (folder / name).is_dir())


def load_config(path: str | Path, options: dict | None = None) -> Config:
    """Read a config file and merge ``--cfg-options`` into it.

    Args:
        path: The config file, or the name of a shipped one (:func:`find_config`).
        options: Flat ``{'model.decode_head.ks_thresh': 1.0}`` overrides.

    Raises:
        InputError: If the file is missing or can't be read, or an option does
            not fit into it.
    """
    path = find_config(path)
    config = _parse(path)
    merge_options(config, options or {}, f'config {path}')
    return config


def merge_options(config: Config, options: dict, what: str) -> None:
    """Merge ``--cfg-options`` into a config.

    Args:
        config: Changed in place.
        options: Flat overrides, as in :func:`load_config`.
        what: What the config is, used in errors.

    Raises:
        InputError: If a part of the config is missing, or an option does not fit into it.
    """
    _check_roots(config, what, options)
    if options:
        with from_config(f'--cfg-options {options}'):
            config.merge_from_dict(options)
    _check_parts(config, what)


def _parse(path: Path) -> Config:
    """Run a config file. It is Python code: any error in it is for its author to fix."""
    hook = sys.unraisablehook
    try:
        return Config.fromfile(str(path))
    except Exception as error:
        fault = last_line(error)
        cause = error
    # mmcv's temporary file outlives its folder when a config fails; deleting it prints a warning.
    sys.unraisablehook = lambda unraisable: None
    try:
        raise InputError(f'config {path} cannot be read: {fault}') from (
            cause if os.environ.get('MASKCLIP_DEBUG') else None)
    finally:
        del cause
        # The traceback keeps the file alive; it must go while nothing is printed.
        gc.collect()
        sys.unraisablehook = hook


def _check_roots(config: Config, what: str, options: dict) -> None:
    """Check that required parts are there, and that options name existing keys."""
    _check_parts(config, what)
    imports = (config.get('custom_imports') or {}).get('imports') or []
    if 'mmseg_maskclip' in ([imports] if isinstance(imports, str) else imports):
        raise InputError(f"custom_imports of {what} names 'mmseg_maskclip', which registers "
                         "nothing with mmseg: write 'mmseg_maskclip.register'.")
    known = {*config.keys(), *READ}
    for key in options:
        root = key.split('.')[0]
        if root not in known:
            near = difflib.get_close_matches(root, known, n=1)
            hint = f', did you mean {near[0]!r}?' if near else '.'
            raise InputError(f'--cfg-options {key}: {what} has no {root!r}{hint}')
        if root not in READ:
            raise InputError(f'--cfg-options {key} has no effect, nothing reads {root!r} any more '
                             f'when {what} is read{hint_for(config, root)}')


def _check_parts(config: Config, what: str) -> None:
    """Parts that every config has."""
    for key in ('model', 'data'):
        if not isinstance(config.get(key), dict):
            raise InputError(f"{what} has no dict '{key}': it is a part of a config, not a "
                             'whole one; see configs/ for the shipped ones.')
    require_number(config.data.get('workers_per_gpu', 0), 'data.workers_per_gpu', minimum=0,
                   whole=True)
    for key in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if not isinstance(config.data.get(key, {}), dict):
            raise InputError(f'data.{key} is {config.data[key]!r}, expected a dict.')


def transforms_of(pipeline: Sequence[dict], name: str) -> Iterator[dict]:
    """All transforms of one type, nested ones included.

    Args:
        pipeline: A pipeline of a config.
        name: Registered name of the transform.
    """
    for transform in pipeline:
        if transform.get('type') == name:
            yield transform
        yield from transforms_of(transform.get('transforms', ()), name)


def test_settings(config: Config) -> list[dict]:
    """The settings of each data set that ``data.test`` names, one or a list."""
    found = config.data.test
    return list(found) if isinstance(found, (list, tuple)) else [found]


def _multi_scale(config: Config) -> list[dict]:
    found = [transform for settings in test_settings(config)
             for transform in transforms_of(settings.pipeline, 'MultiScaleFlipAug')]
    if not found:
        raise InputError("data.test.pipeline has no 'MultiScaleFlipAug' transform, which "
                         '--img-scale and --aug-test change.')
    return found


def set_img_scale(config: Config, scale: tuple[int, int]) -> None:
    """Set the test scale (width, height), as ``--img-scale`` does."""
    for side in scale:
        require_number(side, '--img-scale', minimum=1, whole=True)
    for transform in _multi_scale(config):
        transform['img_scale'] = tuple(scale)


def set_aug_test(config: Config) -> None:
    """Test with six scales and flips, as ``--aug-test`` does."""
    for transform in _multi_scale(config):
        transform['img_ratios'] = list(AUG_RATIOS)
        transform['flip'] = True


def set_corruption(config: Config, name: str, severity: int) -> None:
    """Corrupt each test image right after it is read."""
    for settings in test_settings(config):
        pipeline = list(settings.pipeline)
        # Behind LoadImageFromFile: corruptions are defined at the original resolution.
        pipeline.insert(1, {'type': 'Corrupt', 'name': name, 'severity': severity})
        settings.pipeline = pipeline
    weight = config.model.get('class_weight')
    if isinstance(weight, dict) and weight.get('source') != 'class_token':
        # The file is not corrupted: a prior read from it would see the clean image.
        weight.source = 'input'


def set_images(config: Config, folder: str) -> None:
    """Test on a folder of pictures, as ``--img-dir`` does."""
    require_dir(folder, 'image folder')
    if not _takes_class_names(config):
        raise InputError(f'--img-dir needs a config on a folder of images, not on '
                         f'{test_settings(config)[0].type}: use '
                         'configs/maskclip/maskclip_vit16_512x512_demo.py.')
    config.data.test.img_dir = str(Path(folder).resolve())
    config.data.test.data_root = None


def set_classes(config: Config, classes: Sequence[str], background: Sequence[str] = ()) -> None:
    """Segment into other classes, as ``--classes`` and ``--background`` do.

    Args:
        config: A MaskCLIP config on a folder of images.
        classes: Class names; or one file of names, or the name of a published
            set; synonyms of a class are separated by ``;``.
        background: Names of classes that are drawn black.

    Raises:
        InputError: On an empty or duplicated list, or a config whose dataset
            has fixed classes.
    """
    from mmseg_maskclip.clip import load_vocabulary, vocabulary_of_words

    if not _takes_class_names(config):
        raise InputError(f'--classes needs a config on a folder of images, '
                         f'{test_settings(config)[0].type} has its own classes: use '
                         'configs/maskclip/maskclip_vit16_512x512_demo.py.')
    vocabulary = vocabulary_of_words(classes)
    extra = vocabulary_of_words(background).entries if background else ()
    if vocabulary.colors:
        config.data.test.palette = [*map(list, vocabulary.colors), *([0, 0, 0] for _ in extra)]
    names = ['; '.join(entry) for entry in (*vocabulary.entries, *extra)]
    # Once more together, which finds a name that stands in both lists.
    vocabulary = load_vocabulary(names)
    config.data.test.classes = list(vocabulary.class_names[:len(names) - len(extra)])
    config.data.test.background_classes = list(vocabulary.class_names[len(names) - len(extra):])
    config.model.decode_head.vocabulary = names
    config.model.decode_head.num_classes = len(names)
    # Made for the classes that are replaced.
    config.model.decode_head.text_embeddings_path = None
    if config.model.get('class_weight'):
        config.model.class_weight.update(vocabulary=None, text_features_path=None)


def dataset_class(settings: Mapping) -> type:
    """The class a data set's config names; ``object`` where it names none that is known."""
    from mmseg.datasets import DATASETS

    kind = settings.get('type')
    found = kind if isinstance(kind, type) else DATASETS.get(str(kind))
    return found or object


def _takes_class_names(config: Config) -> bool:
    """Whether the test set is pictures and class names of the user's own."""
    found = config.data.test
    return isinstance(found, dict) and getattr(dataset_class(found), 'TAKES_CLASS_NAMES', False)
