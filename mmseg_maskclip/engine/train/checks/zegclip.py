"""Where a run of ZegCLIP starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Mapping

from mmcv import Config

from mmseg_maskclip.clip import read_checkpoint_file
from mmseg_maskclip.engine.class_names import labelled_in_training
from mmseg_maskclip.engine.train.resume import TrainOptions
from mmseg_maskclip.utils import InputError, to_plain

_MODE = 'transductive'
_SHIPPED = 'zegclip_transductive_'


def require_start(config: Config, options: TrainOptions, resuming: bool) -> None:
    """Refuse a start of ZegCLIP that makes no zero-shot model.

    The first pseudo-labels of a transductive run without a trained model would be those of a
    random decoder; a model that has seen labels of its unseen classes keeps what it learned.

    Args:
        config: Of the run.
        options: How it is started.
        resuming: Whether it goes on with an earlier one.

    Raises:
        InputError: If it is, and not with ``from_scratch``.
    """
    mode = config.model.get('mode', 'inductive')
    if (config.model.get('type') != 'ZegClip' or mode == 'supervised' or options.from_scratch
            or resuming):
        return
    if options.load_from is None:
        if mode == _MODE:
            raise InputError(
                'a transductive run labels the unseen classes by its own model, which has to know '
                f'the seen ones: {_how_to_start(config)}, or give --from-scratch.')
        return
    labelled = _labelled(config, read_checkpoint_file(options.load_from).meta)
    if labelled:
        fix = _how_to_start(config) if mode == _MODE else 'start without --load-from'
        raise InputError(f'{options.load_from} was trained with the labels of {labelled}: {fix}, '
                         'or give --from-scratch to start from it all the same.')


def _labelled(config: Config, meta: Mapping) -> str:
    """The unseen classes whose labels a checkpoint has learned from, in words; '' for none."""
    recorded = meta.get('model')
    trained = json.loads(recorded) if isinstance(recorded, str) else {}
    if trained.get('mode') == 'supervised':
        return 'all classes, the unseen ones among them'
    head, unseen = config.model.get('decode_head', {}), config.model.get('unseen')
    same = to_plain(head.get('vocabulary')) == trained.get('decode_head', {}).get('vocabulary')
    # Ids of other classes say nothing, and what are no ids is told when the model is built.
    several = isinstance(unseen, (list, tuple, range))
    ids = [index for index in unseen if isinstance(index, int)] if several else []
    labelled = labelled_in_training(meta, ids) if same else []
    return f'classes {labelled}, which are unseen in model.unseen' if labelled else ''


def _how_to_start(config: Config) -> str:
    inductive = _inductive_config(Path(config.filename or ''))
    if inductive is None:
        return ("train the config with mode='inductive' first, and start from its checkpoint with "
                '--load-from WORK_DIR/iter_N.pth')
    half = Config.fromfile(str(inductive)).runner.max_iters // 2
    return (f'run python tools/train.py {inductive}, then this one with --load-from '
            f'work_dirs/{inductive.stem}/iter_{half}.pth')


def _inductive_config(path: Path) -> Path | None:
    """The shipped config whose half-way checkpoint is the published start of another."""
    if not path.name.startswith(_SHIPPED):
        return None
    # zegclip_transductive_{clip}_{crop}_{schedule}_{dataset}.py; names of CLIPs and crops have
    # no underscore.
    clip, crop, _, dataset = path.stem[len(_SHIPPED):].split('_', 3)
    found = sorted(path.parent.glob(f'zegclip_{clip}_{crop}_*_{dataset}.py'))
    return found[0] if found else None
