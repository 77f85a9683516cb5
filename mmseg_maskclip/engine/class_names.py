"""Whether a model and a data set mean the same classes, in the same order."""

from __future__ import annotations

import json
from typing import Any, Collection, Mapping, Sequence

from mmcv.utils import print_log
from torch import nn

from mmseg_maskclip.clip import load_vocabulary
from mmseg_maskclip.models import ZegClip
from mmseg_maskclip.models.refiners import says_background
from mmseg_maskclip.utils import InputError

_SHOWN = 3


def check_classes(model: nn.Module, dataset: Any, what: str = 'data set') -> None:
    """Check that the classes a head is built for are a data set's.

    Class ids are all that labels and scores share: with the same names in
    another order every metric is computed between unlike classes.

    Args:
        model: A segmentor; its weights need not be loaded.
        dataset: A data set, perhaps several that are joined.
        what: What the data set is for, used in errors.

    Raises:
        InputError: If their number differs, a name stands at another place, or
            a class that is declared the background has another name.
    """
    wanted, found = getattr(model.decode_head, 'num_classes', None), len(dataset.CLASSES)
    if wanted is not None and wanted != found:
        raise InputError(f'the head has {wanted} classes, the {what} {type(dataset).__name__} '
                         f"{found}: set model.decode_head.num_classes and vocabulary to the data "
                         "set's.")
    background = getattr(model.decode_head, 'background', 0)
    _check_background(model, 0, dataset, what)
    # A teacher does not know the background that its student learns.
    _check_background(getattr(model, 'teacher', None), background, dataset, what)
    vocabulary = getattr(model.decode_head, 'vocabulary', None)
    if vocabulary is None:
        return
    entries = load_vocabulary(vocabulary).entries
    if len(entries) == found - background:
        _compare(entries, _names_of(dataset)[background:], 'model.decode_head.vocabulary',
                 f'the {what}', strict=getattr(dataset, 'TAKES_CLASS_NAMES', False))


def _check_background(model: nn.Module | None, shift: int, dataset: Any, what: str) -> None:
    """Refuse to give unsure pixels to a class that is not the background."""
    refiner = getattr(getattr(model, 'refiners', None), 'background', None)
    if refiner is None or refiner.class_id is None:
        return
    names = _names_of(dataset)[refiner.class_id + shift]
    if not any(says_background(name) for name in names):
        raise InputError(f'Background of model.refine has label={refiner.label}, class '
                         f'{names[0]!r} of the {what}: expected the class that is the background '
                         "there, or label='none', and pixels that no class takes get 255.")


def check_trained_classes(meta: Mapping, dataset: Any) -> None:
    """Check that the classes a checkpoint was trained for are a data set's.

    Args:
        meta: Meta data of the checkpoint.
        dataset: A data set.

    Raises:
        InputError: If a name stands at another place.
    """
    trained = meta.get('CLASSES')
    if trained and len(trained) == len(dataset.CLASSES):
        _compare([(name,) for name in trained], _names_of(dataset), 'the checkpoint',
                 'the data set')


def labelled_in_training(meta: Mapping, unseen: Collection[int]) -> list[int]:
    """Those of some unseen classes whose labels a ZegCLIP has learned from.

    Args:
        meta: Meta data of its checkpoint, of the same classes.
        unseen: Class ids.

    Returns:
        Their ids; none where the checkpoint does not tell.
    """
    recorded = meta.get('model')
    trained = json.loads(recorded) if isinstance(recorded, str) else {}
    if trained.get('type') != ZegClip.__name__:
        return []
    withheld = () if trained.get('mode') == 'supervised' else trained.get('unseen') or ()
    return sorted(set(unseen) - set(withheld))


def warn_of_split(model: nn.Module, meta: Mapping, dataset: Any) -> None:
    """Say where model, training and test set of a ZegCLIP differ in the unseen classes.

    Args:
        model: A segmentor.
        meta: Meta data of its checkpoint.
        dataset: The test set.
    """
    if not isinstance(model, ZegClip) or model.transfer:
        return
    first = getattr(dataset, 'datasets', [dataset])[0]
    counted, unseen = tuple(getattr(first, 'unseen_ids', ())), tuple(sorted(model.unseen))
    if model.seen_offset and counted not in ((), unseen):
        print_log(f'test_cfg.seen_offset is taken from all classes but {list(unseen)}, '
                  f'model.unseen; metrics count {list(counted)} as unseen: set model.unseen and '
                  'data.test.unseen to the same classes.', 'mmseg', level=30)
    labelled = labelled_in_training(meta, counted or unseen)
    if labelled and model.mode != 'supervised':
        print_log(f'The checkpoint was trained with labels of '
                  f'{", ".join(repr(dataset.CLASSES[index]) for index in labelled[:_SHOWN])}'
                  f'{", ..." * (len(labelled) > _SHOWN)}, unseen here: mIoU(U) and hIoU are not '
                  'those of a zero-shot model.', 'mmseg', level=30)


def check_losses(model: nn.Module) -> None:
    """Check that class weights of losses are one a class.

    Args:
        model: A segmentor.

    Raises:
        InputError: If there are more or fewer.
    """
    for name in ('decode_head', 'auxiliary_head'):
        heads = getattr(model, name, None)
        for head in heads if isinstance(heads, nn.ModuleList) else [heads]:
            losses = getattr(head, 'loss_decode', None)
            for loss in losses if isinstance(losses, nn.ModuleList) else [losses]:
                weights = getattr(loss, 'class_weight', None)
                wanted = getattr(head, 'out_channels', None) or getattr(head, 'num_classes', None)
                if weights is not None and len(weights) != wanted:
                    raise InputError(f'model.{name}.loss_decode.class_weight has {len(weights)} '
                                     f'weights, expected {wanted}, one a class.')


def _names_of(dataset: Any) -> list[tuple[str, ...]]:
    """The names of each class: the data set's own, and those it is prompted with."""
    first = getattr(dataset, 'datasets', [dataset])[0]
    prompts = getattr(first, 'PROMPTS', None)
    renamed = {}
    if prompts is not None:
        renamed = dict(zip(type(first).CLASSES, load_vocabulary(prompts).entries))
    return [(name, *renamed.get(name, ())) for name in dataset.CLASSES]


def _compare(found: Sequence[Sequence[str]], expected: Sequence[Sequence[str]], one: str,
             other: str, strict: bool = False) -> None:
    """Refuse a permutation; warn of names that only one of the two knows, or refuse these too."""
    found, expected = ([{_key(name): _plain(name) for name in names} for names in part]
                       for part in (found, expected))
    places = {key: index for index, names in enumerate(expected) for key in names}
    unknown = []
    for index, (names, own) in enumerate(zip(found, expected)):
        if names.keys() & own.keys():
            continue
        # A name that the other class goes by, too, has not moved: "bed" among background words.
        moved = [key for key in names if key in places and key not in found[places[key]]]
        if moved:
            raise InputError(f'{names[moved[0]]!r} is class {index} in {one} and class '
                             f'{places[moved[0]]} in {other}: give both in the same order.')
        # Any words may stand for the background.
        if strict or not any(map(says_background, own)):
            unknown.append(f'{min(names.values())!r} ({min(own.values())!r})')
    message = (f'{len(unknown)} of {len(found)} classes have other names in {one} than in {other}: '
               f'{", ".join(unknown[:_SHOWN])}{", ..." * (len(unknown) > _SHOWN)}')
    if unknown and strict:
        raise InputError(f'{message}: give both the same list, or use --classes.')
    if unknown:
        print_log(f'{message}. Their order cannot be checked.', 'mmseg', level=30)


def _plain(name: str) -> str:
    return ' '.join(name.lower().replace('-', ' ').replace('_', ' ').split())


def _key(name: str) -> str:
    """What two spellings of a name share; "trafficlight" is "traffic light"."""
    return _plain(name).replace(' ', '')
