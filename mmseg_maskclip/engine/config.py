"""Config files: reading them with clear errors, and what flags change in them."""

from __future__ import annotations

import difflib
import gc
import sys
from pathlib import Path
from typing import Any, Iterator, Sequence

from mmcv import Config

from mmseg_maskclip.utils import InputError, require_dir, require_file

_OPTIONAL_ROOTS = ('work_dir', 'load_from', 'resume_from', 'cudnn_benchmark', 'fp16', 'seed',
                   'mp_start_method', 'opencv_num_threads', 'evaluation', 'optimizer',
                   'optimizer_config', 'lr_config', 'runner', 'checkpoint_config', 'log_config',
                   'custom_hooks', 'custom_imports', 'dist_params', 'log_level', 'test_cfg',
                   'train_cfg', 'total_batch_size', 'accumulative_counts', 'find_unused_parameters')
_SIZES = ('img_scale', 'crop_size', 'stride', 'size')
AUG_RATIOS = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]


def load_config(path: str, options: dict | None = None) -> Config:
    """Read a config file and merge ``--cfg-options`` into it.

    Args:
        path: The config file.
        options: Flat ``{'model.decode_head.ks_thresh': 1.0}`` overrides.

    Raises:
        InputError: If the file is missing or can't be parsed, or an option
            names a key of something that is no dict.
    """
    require_file(path, 'config', 'See configs/ for the shipped ones.')
    config = _parse(path)
    _check_roots(config, path, options or {})
    if options:
        for key, value in options.items():
            _check_kind(config, key, value)
        try:
            config.merge_from_dict(options)
        except (TypeError, ValueError, KeyError, IndexError, AssertionError,
                AttributeError) as error:
            raise InputError(f'--cfg-options {options} does not fit config {path}: '
                             f'{error}') from error
    return config


def _check_kind(config: Config, key: str, value: Any) -> None:
    """Refuse a word or number where the config has a dict, a list of dicts, a size or a number."""
    if value is False or not isinstance(value, (str, int, float)):
        return
    found: Any = config._cfg_dict
    for word in key.split('.'):
        if isinstance(found, (list, tuple)) and word.isdecimal() and int(word) < len(found):
            found = found[int(word)]
        elif isinstance(found, dict) and word in found:
            found = found[word]
        else:
            return
    what = None
    if isinstance(found, dict):
        example = f', set one of its keys, such as {key}.{next(iter(found))}' if found else ''
        what = f'a dict{example}'
    elif _holds_dicts(found):
        what = f'a list, set what is in its items, such as {key}.0.type'
    elif key.split('.')[-1] in _SIZES and _is_pair(found):
        what = f'two numbers, {key}=({found[0]},{found[1]})'
    elif _is_number(found) and isinstance(value, str):
        what = f'a number, {found}'
    if what:
        raise InputError(f'option {key}={value!r}: the config has {what}.')


def _holds_dicts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and any(isinstance(item, dict) for item in value)


def _is_pair(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _parse(path: str) -> Config:
    """Run a config file. It is a program: whatever it raises is its author's to mend."""
    fault = None
    hook = sys.unraisablehook
    # mmcv's temporary file outlives its folder when a config fails, and says so.
    sys.unraisablehook = lambda unraisable: None
    try:
        return Config.fromfile(str(path))
    except Exception as error:
        # mmcv may stumble once more while it cleans up: the first of the chain is the cause.
        cause: BaseException = error
        while cause.__context__ is not None:
            cause = cause.__context__
        fault = f'{type(cause).__name__}: {cause}'
        del cause
    finally:
        gc.collect()
        sys.unraisablehook = hook
    raise InputError(f'config {path} can not be read: {fault}')


def _check_roots(config: Config, path: str, options: dict) -> None:
    """Parts every config has, and options that name none of its keys."""
    for key in ('model', 'data'):
        if not isinstance(config.get(key), dict):
            raise InputError(f"config {path} has no dict '{key}': it is a part of a config, not a "
                             'whole one; see configs/ for the shipped ones.')
    known = {*config.keys(), *_OPTIONAL_ROOTS}
    for key in options:
        root = key.split('.')[0]
        if root not in known:
            near = difflib.get_close_matches(root, known, n=1)
            hint = f', did you mean {near[0]!r}?' if near else '.'
            raise InputError(f'--cfg-options {key}: config {path} has no {root!r}{hint}')


def transforms_of(pipeline: Sequence[dict], name: str) -> Iterator[dict]:
    """All transforms of one type, nested ones included.

    Args:
        pipeline: A pipeline of a config.
        name: Registered name of the transform.
    """
    for transform in pipeline:
        if transform['type'] == name:
            yield transform
        yield from transforms_of(transform.get('transforms', ()), name)


def _multi_scale(config: Config) -> list[dict]:
    found = list(transforms_of(config.data.test.pipeline, 'MultiScaleFlipAug'))
    if not found:
        raise InputError("data.test.pipeline has no 'MultiScaleFlipAug' transform, which "
                         '--img-scale and --aug-test change.')
    return found


def set_img_scale(config: Config, scale: tuple[int, int]) -> None:
    """Set the test scale (width, height), as ``--img-scale`` does."""
    if min(scale) < 1:
        raise InputError(f'--img-scale is {scale}, two positive numbers were expected.')
    for transform in _multi_scale(config):
        transform['img_scale'] = tuple(scale)


def set_aug_test(config: Config) -> None:
    """Test with six scales and flips, as ``--aug-test`` does."""
    for transform in _multi_scale(config):
        transform['img_ratios'] = list(AUG_RATIOS)
        transform['flip'] = True


def set_corruption(config: Config, name: str, severity: int) -> None:
    """Corrupt each test image right after it is read."""
    pipeline = list(config.data.test.pipeline)
    pipeline.insert(1, {'type': 'Corrupt', 'name': name, 'severity': severity})
    config.data.test.pipeline = pipeline
    weight = config.model.get('class_weight')
    if isinstance(weight, dict) and weight.get('source') != 'class_token':
        # The file is not corrupted: a prior from there would see what the model must not.
        weight.source = 'input'


def set_images(config: Config, folder: str) -> None:
    """Test on a folder of pictures, as ``--img-dir`` does."""
    require_dir(folder, 'image folder')
    if config.data.test.type != 'ImageFolderDataset':
        raise InputError(f'--img-dir needs a config on a folder of images, not on '
                         f'{config.data.test.type}: use '
                         'configs/maskclip/maskclip_vit16_512x512_demo.py.')
    config.data.test.img_dir = str(Path(folder).resolve())
    config.data.test.data_root = None


def set_classes(config: Config, classes: Sequence[str], background: Sequence[str] = ()) -> None:
    """Segment into other classes, as ``--classes`` and ``--background`` do.

    Args:
        config: A MaskCLIP config on a folder of images.
        classes: Class names, or one text file of names, one a line; synonyms
            of a class are separated by ``;``.
        background: Names of classes that are drawn black.

    Raises:
        InputError: On an empty or duplicated list, or a config whose dataset
            has fixed classes.
    """
    from mmseg_maskclip.clip import load_vocabulary

    if config.data.test.type != 'ImageFolderDataset':
        raise InputError(f'--classes needs a config on a folder of images, '
                         f'{config.data.test.type} has its own classes: use '
                         'configs/maskclip/maskclip_vit16_512x512_demo.py.')
    single_file = len(classes) == 1 and Path(classes[0]).suffix == '.txt'
    vocabulary = load_vocabulary(classes[0] if single_file else list(classes))
    extra = load_vocabulary(list(background)).entries if background else ()
    names = ['; '.join(entry) for entry in (*vocabulary.entries, *extra)]
    vocabulary = load_vocabulary(names)
    config.data.test.classes = list(vocabulary.class_names[:len(names) - len(extra)])
    config.data.test.background_classes = list(vocabulary.class_names[len(names) - len(extra):])
    config.model.decode_head.vocabulary = names
    config.model.decode_head.num_classes = len(names)
    config.model.decode_head.text_embeddings_path = None
    if config.model.get('class_weight'):
        config.model.class_weight.update(vocabulary=None, text_features_path=None)


def require_workers(workers: Any) -> None:
    """Check the number of processes of a data loader.

    Args:
        workers: ``workers_per_gpu``.

    Raises:
        InputError: If it is no number of processes.
    """
    if not isinstance(workers, int) or workers < 0:
        raise InputError(f'data.workers_per_gpu is {workers!r}, a number from 0 was expected.')


def plain(value: Any) -> Any:
    """A config value as plain lists and dicts, for JSON."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
