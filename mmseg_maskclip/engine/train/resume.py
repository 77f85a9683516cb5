"""Where a training run starts: from the beginning, or where it was interrupted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcv import Config
from mmcv.runner import get_dist_info
from mmcv.utils import print_log
from mmseg.apis import init_random_seed
from torch import nn

from mmseg_maskclip.engine.distributed import device_of_process, is_main
from mmseg_maskclip.engine.train.checkpoint import differing_keys, latest_checkpoint
from mmseg_maskclip.engine.train.settings import accumulation_of
from mmseg_maskclip.models.unregistered import unregistered_hashes
from mmseg_maskclip.utils import InputError, require_file, require_number, to_plain

_STARTS_FROM = ('pretrained', 'clip_checkpoint', 'text_embeddings_path', 'text_features_path',
                'cache_dir', 'cache_size', 'init_cfg', 'test_cfg')
_FOLDERS = ('data_root', 'img_dir', 'ann_dir')
_SEEDS = 2**32


@dataclass
class TrainOptions:
    """How a training run is started.

    Attributes:
        work_dir: Folder of checkpoints, logs and the config.
        load_from: Checkpoint whose fitting weights a new run starts from.
        resume_from: Checkpoint to resume.
        auto_resume: Resume from the newest intact checkpoint of the work dir,
            if there is one.
        validate: Evaluate as ``evaluation`` of the config sets it.
        seed: Seed of everything random; None takes the resumed run's or
            draws one.
        diff_seed: Different dropout in every process.
        deterministic: Slower algorithms that give the same bits every time.
        amp: ``'fp16'``, ``'bf16'`` or None. Student and teacher run under the
            same autocast; scores against text are computed in single precision.
        auto_scale_lr: Scale the learning rate with the total batch.
        from_scratch: Let a transductive run start without a trained model.
        full_checkpoint: Write what is frozen into checkpoints, too.
    """

    work_dir: str
    load_from: str | None = None
    resume_from: str | None = None
    auto_resume: bool = False
    validate: bool = True
    seed: int | None = None
    diff_seed: bool = False
    deterministic: bool = False
    amp: str | None = None
    auto_scale_lr: bool = False
    from_scratch: bool = False
    full_checkpoint: bool = False


def resumed_path(options: TrainOptions) -> Path | None:
    """The checkpoint to resume from, None for a new run.

    Raises:
        InputError: If a checkpoint that is named does not exist.
    """
    if options.load_from:
        require_file(str(options.load_from), 'checkpoint of --load-from')
    if options.resume_from:
        return require_file(str(options.resume_from), 'checkpoint of --resume-from')
    if options.auto_resume:
        return latest_checkpoint(options.work_dir)
    left = list(Path(options.work_dir).glob('iter_*.pth'))
    if left and is_main():
        print_log(f'{options.work_dir} holds {len(left)} checkpoints of an earlier run, which '
                  'are overwritten one by one; --auto-resume would resume it.', 'mmseg',
                  level=30)
    return None


def check_same_model(config: Config, content: dict, path: str | Path) -> None:
    """Refuse to resume with another model: the curve would be that of neither.

    Args:
        config: Of this run.
        content: The checkpoint.
        path: Its file.

    Raises:
        InputError: If the model is built otherwise; where it starts from and
            how it is tested may differ.
    """
    recorded = content['meta'].get('model')
    if recorded is None:
        return
    wanted = json.loads(describe_model(config))
    names = [name for name in differing_keys(wanted, json.loads(recorded))
             if not any(part in _STARTS_FROM for part in name.split('.'))]
    if names:
        raise InputError(f'{path} was trained with another config, it differs in '
                         f'model.{", model.".join(names[:3])}: resume with the config in its '
                         'folder, or start a new run from its weights with --load-from.')


def check_same_run(described: str, content: dict, path: str | Path) -> None:
    """Warn of settings by which a resumed run differs from an uninterrupted one.

    Args:
        described: This run, by :func:`describe_run`.
        content: The checkpoint.
        path: Its file.

    Raises:
        InputError: If the optimizer is of another kind, whose state cannot be used.
    """
    if content['meta'].get('run') is None:
        return
    recorded, wanted = json.loads(content['meta']['run']), json.loads(described)
    then, now = (run['optimizer'].get('type') for run in (recorded, wanted))
    if then != now:
        raise InputError(f'{path} was trained with optimizer.type={then}, the config has '
                         f'{now}: resume with the config in its folder, or start a new run '
                         'from its weights with --load-from.')
    names = differing_keys(wanted, recorded)
    if names and is_main():
        print_log(f'{path} was trained with other settings of {", ".join(names)}: the curve '
                  "will not be that of an uninterrupted run. (Learning rate and weight decay "
                  'are the checkpoint\'s.)', 'mmseg', level=30)


def describe_run(config: Config, options: TrainOptions, model: nn.Module) -> str:
    """What the curve depends on besides the student, as checkpoints record it.

    Folders are left out, data may have moved. Teacher, classifier and moving
    average are recorded by their state-dict hashes, wherever their files are.

    Args:
        config: Of the run.
        options: How it is started.
        model: The segmentor, its weights loaded.
    """
    return json.dumps(to_plain({
        'optimizer': config.optimizer, 'optimizer_config': config.get('optimizer_config') or {},
        'lr_config': config.lr_config, 'runner': config.runner,
        'data.train': _without_folders(config.data.train),
        'data.samples_per_gpu': config.data.samples_per_gpu,
        'accumulative_counts': accumulation_of(config), 'processes': get_dist_info()[1],
        # Precision and noise change the curve as much as a setting of the config does.
        '--amp': options.amp, '--diff-seed': options.diff_seed,
        **{f'model.{name}': found for name, found in unregistered_hashes(model).items()},
    }), sort_keys=True, default=str)


def _without_folders(settings: Any) -> Any:
    """A data set's config, which may hold others, or several of them."""
    if isinstance(settings, (list, tuple)):
        return [_without_folders(item) for item in settings]
    if isinstance(settings, dict):
        return {key: _without_folders(value) for key, value in settings.items()
                if key not in _FOLDERS}
    return settings


def describe_model(config: Config) -> str:
    """The model of a config, as checkpoints record it."""
    return json.dumps(to_plain(config.model), sort_keys=True, default=str)


def choose_seed(config: Config, options: TrainOptions, resumed: dict | None) -> int:
    """The seed given, the resumed run's, or one drawn for all processes.

    Args:
        config: May have ``seed``.
        options: May have it too, and takes precedence.
        resumed: The checkpoint that is resumed, or None.

    Raises:
        InputError: If it is not a whole number of 32 bits.
    """
    given = options.seed if options.seed is not None else config.get('seed')
    recorded = resumed['meta'].get('seed') if resumed else None
    if given is None and recorded is not None:
        return recorded
    if given is not None:
        require_number(given, 'the seed', minimum=0, maximum=_SEEDS - 1, whole=True)
    if None not in (given, recorded) and given != recorded:
        print_log(f'Resumed with seed {given}, the run began with {recorded}: the order of the '
                  'images changes.', 'mmseg', level=30)
    return init_random_seed(given, device=str(device_of_process()))
