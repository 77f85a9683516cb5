"""Train a segmentor from its config."""

from __future__ import annotations

import copy
import dataclasses
import logging
import os
from pathlib import Path
from typing import Any

import mmseg
import torch
from mmcv import Config
from mmcv.runner import HOOKS, Hook, build_optimizer, get_dist_info
from mmcv.utils import build_from_cfg
from mmseg.apis import set_random_seed
from mmseg.datasets import build_dataset
from torch import nn

from mmseg_maskclip.datasets.checking import warn_of_labels
from mmseg_maskclip.engine.border import from_config
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.class_names import check_classes, check_losses
from mmseg_maskclip.engine.distributed import is_main, main_process_first
from mmseg_maskclip.engine.precision import (
    FP16_HOOK,
    Precision,
    check_teacher_precision,
    choose_precision,
    fixed_scale,
    grad_scaler,
)
from mmseg_maskclip.engine.record import timestamp, versions
from mmseg_maskclip.engine.samples import settle_flip
from mmseg_maskclip.engine.train import ema as ema_labeller  # noqa: F401  (registration)
from mmseg_maskclip.engine.train.checkpoint import read_checkpoint, remove_leftovers
from mmseg_maskclip.engine.train.checks.rehearsal import rehearse_sample
from mmseg_maskclip.engine.train.checks.zegclip import require_start
from mmseg_maskclip.engine.train.data import build_train_loader
from mmseg_maskclip.engine.train.evaluation import register_evaluation
from mmseg_maskclip.engine.train.hooks import NoiseHook, StageHook, StepHook
from mmseg_maskclip.engine.train.labels import check_labels
from mmseg_maskclip.engine.train.log import log_file, log_start, quiet_mmcv, usable_log_config
from mmseg_maskclip.engine.train.parallel import share_means, unwrap, wrap_model
from mmseg_maskclip.engine.train.resume import (
    TrainOptions,
    check_same_model,
    check_same_run,
    choose_seed,
    describe_model,
    describe_run,
    resumed_path,
)
from mmseg_maskclip.engine.train.runner import TrainRunner
from mmseg_maskclip.engine.train.settings import accumulation_of, check_settings, settle_batch
from mmseg_maskclip.engine.unread import warn_of_unread
from mmseg_maskclip.models.pseudo_labels.iteration_hook import IterationHook
from mmseg_maskclip.models.pseudo_labels.pseudo_labelled import PseudoLabelled
from mmseg_maskclip.models.weights.load import start_from
from mmseg_maskclip.models.weights.pretrained import check_pretrained, without_pretrained
from mmseg_maskclip.utils import atomic_path, writable_dir

__all__ = ['TrainOptions', 'train_model']


def train_model(config: Config, options: TrainOptions) -> nn.Module:
    """Train a model, from the start or from where a run was interrupted.

    The order of the images, their augmentation and the noise of the model
    depend on the seed and the iteration alone, so that a resumed run
    continues as if it had not been interrupted.

    Args:
        config: A config with ``model``, ``data``, ``optimizer`` and
            ``runner``; it is left as it is.
        options: How to start.

    Returns:
        The trained segmentor, on the device of this process.

    Raises:
        InputError: If any user input is wrong.
    """
    precision = choose_precision(config, options.amp)
    check_teacher_precision(config)
    options = dataclasses.replace(options, amp=precision.amp)
    check_settings(config, options.amp)
    work_dir = writable_dir(options.work_dir, 'work dir')
    config = copy.deepcopy(config)
    path = resumed_path(options)
    resumed = read_checkpoint(path) if path else None
    if resumed:
        check_same_model(config, resumed, path)
    require_start(config, options, resumed is not None)
    seed = choose_seed(config, options, resumed)
    started, text = timestamp(), config.pretty_text
    name = Path(config.filename or 'config.py').name
    with log_file(work_dir / f'{started}.log', config.get('log_level', 'INFO')) as logger:
        log_start(logger, text, options, seed, precision.note)
        warn_of_unread(config)
        if is_main():
            with atomic_path(work_dir / name) as temporary:
                temporary.write_text(text, encoding='utf-8')
            remove_leftovers(work_dir)
        runner, loader = _prepare(config, options, precision, seed, logger,
                                  resuming=resumed is not None)
        run = describe_run(config, options, unwrap(runner.model))
        runner.checkpoint_meta.update(config=text, run=run)
        runner.meta['exp_name'] = name
        runner.timestamp = started
        if resumed:
            check_same_run(run, resumed, path)
            runner.restore(resumed, path)
        # Only now the iteration is known; the sampler reads it when the run starts.
        loader.batch_sampler.first = runner.iter * runner.accumulation
        if runner.iter >= runner.max_iters:
            logger.info(f'All {runner.max_iters} iterations are done already.')
        runner.run([loader], [('train', 1)])
    return runner.model.module


def _prepare(config: Config, options: TrainOptions, precision: Precision, seed: int,
             logger: logging.Logger, resuming: bool) -> tuple[TrainRunner, Any]:
    """Build everything that a run needs."""
    _make_deterministic(options.deterministic)
    settle_batch(config, options.auto_scale_lr)
    with from_config('data.train'):
        dataset = build_dataset(copy.deepcopy(config.data.train))
    settle_flip(dataset)
    if is_main():
        warn_of_labels(dataset, 'data.train')
    rehearse_sample(dataset, seed)
    set_random_seed(seed)
    model = _build_student(config, dataset, options, resuming)
    with from_config('data.train_dataloader'):
        loader = build_train_loader(dataset, config, seed)
    wrapped = wrap_model(model, get_dist_info()[1] > 1,
                         config.get('find_unused_parameters', False))
    runner = TrainRunner(
        wrapped, optimizer=_build_optimizer(model, config), work_dir=str(options.work_dir),
        logger=logger, meta=_meta(options, seed), max_iters=config.runner.max_iters,
        accumulation=accumulation_of(config), amp=options.amp,
        full_checkpoints=options.full_checkpoint,
        checkpoint_meta={'model': describe_model(config), 'CLASSES': model.CLASSES,
                         'PALETTE': model.PALETTE, **getattr(model, 'checkpoint_meta', {})})
    share_means(model)
    _register_hooks(runner, config, precision, NoiseHook(seed, options.diff_seed))
    if options.validate and config.get('evaluation'):
        if config.data.get('val'):
            register_evaluation(runner, config)
        else:
            logger.warning('Nothing is evaluated: the config has no data.val.')
    if not config.get('checkpoint_config'):
        logger.warning('No checkpoint will be written: the config has no checkpoint_config.')
    return runner, loader


def _make_deterministic(wanted: bool) -> None:
    if not wanted:
        return
    # cuBLAS reads it when it is first used.
    os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    # The gradient of bilinear upsampling has no deterministic version on GPUs: warn, and go on.
    torch.use_deterministic_algorithms(True, warn_only=True)


def _build_student(config: Config, dataset: Any, options: TrainOptions,
                   resuming: bool) -> nn.Module:
    model = build_model(config, training=True, pretrained=not resuming)
    check_classes(model, dataset, 'training data')
    check_losses(model)
    check_labels(model, dataset)
    if resuming:
        # The checkpoint replaces all weights: files that have gone since are not missed.
        without_pretrained(model)
    else:
        with from_config('pretrained weights', 'cannot be found'):
            check_pretrained(model)
    # The main process builds and caches a missing text bank, the others read it.
    with quiet_mmcv(), main_process_first(), \
            from_config('the model', 'cannot be given its weights'):
        model.init_weights()
    if options.load_from and not resuming:
        content = read_checkpoint(options.load_from)
        start_from(model, content['state_dict'], options.load_from)
    model.CLASSES, model.PALETTE = dataset.CLASSES, dataset.PALETTE
    return model


def _build_optimizer(model: nn.Module, config: Config) -> torch.optim.Optimizer:
    with from_config('optimizer'):
        optimizer = build_optimizer(model, copy.deepcopy(config.optimizer))
    # mmcv also passes the parameters that a student keeps frozen.
    for group in optimizer.param_groups:
        group['params'] = [item for item in group['params'] if item.requires_grad]
    optimizer.param_groups[:] = [group for group in optimizer.param_groups if group['params']]
    return optimizer


def _meta(options: TrainOptions, seed: int) -> dict:
    found = versions()
    return {'seed': seed, 'mmseg_version': mmseg.__version__, 'versions': found, 'amp': options.amp,
            'deterministic': options.deterministic,
            'env_info': '\n'.join(f'{name}: {version}' for name, version in found.items())}


def _register_hooks(runner: TrainRunner, config: Config, precision: Precision,
                    noise: NoiseHook) -> None:
    """mmcv's hooks in their usual order, and this project's own."""
    with from_config('a hook'):
        runner.register_training_hooks(
            copy.deepcopy(config.lr_config), _step_hook(runner, config, precision),
            copy.deepcopy(config.get('checkpoint_config')),
            copy.deepcopy(usable_log_config(config)),
            copy.deepcopy(config.get('momentum_config')))
        runner.register_hook(noise, priority='VERY_HIGH')
        for settings in copy.deepcopy(config.get('custom_hooks') or []):
            priority = settings.pop('priority', 'NORMAL')
            runner.register_hook(build_from_cfg(settings, HOOKS), priority=priority)
    model = unwrap(runner.model)
    if isinstance(model, PseudoLabelled) and model.labeller.used:
        if not any(isinstance(hook, IterationHook) for hook in runner.hooks):
            runner.register_hook(IterationHook())
        runner.register_hook(StageHook())


def _step_hook(runner: TrainRunner, config: Config, precision: Precision) -> Hook | dict:
    """What makes a step: this project's hook, or the one of another type that a config names."""
    settings = copy.deepcopy(dict(config.get('optimizer_config') or {}))
    if settings.get('type', 'OptimizerHook') not in ('OptimizerHook', FP16_HOOK):
        return settings
    # The rest of what mmcv's hook of fp16 takes is about its own way of exchanging gradients.
    for key in ('type', 'loss_scale', 'coalesce', 'bucket_size_mb', 'distributed'):
        settings.pop(key, None)
    if precision.amp != 'fp16':
        return StepHook(**settings)
    scaler = grad_scaler(precision.loss_scale)
    runner.keep('scaler', scaler)
    return StepHook(scaler, fixed_scale(precision.loss_scale), **settings)
