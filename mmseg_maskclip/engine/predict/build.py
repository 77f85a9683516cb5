"""The model that predicts: from a CLIP model's name, a config or a checkpoint."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Union

import torch
from mmcv import Config
from mmseg.datasets.pipelines import Compose
from torch import nn

from mmseg_maskclip.clip import (
    CheckpointKind,
    ClipSpec,
    NameEncoder,
    TextBank,
    find_checkpoint,
    get_spec,
    list_models,
    load_vocabulary,
    read_checkpoint_file,
    read_clip_checkpoint,
)
from mmseg_maskclip.datasets.palettes import make_palette
from mmseg_maskclip.engine.border import from_config
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.config import load_config, merge_options, test_settings
from mmseg_maskclip.engine.predict.configs import (
    Settings,
    config_of_checkpoint,
    config_of_clip,
    hash_of_config,
    input_steps,
    require_own_fidelity,
)
from mmseg_maskclip.models import MaskClip, MaskClipPlus, ZegClip
from mmseg_maskclip.models.pseudo_labels.teacher import teacher_spec
from mmseg_maskclip.models.weights.files import locate_weights
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.models.weights.tower import load_tower
from mmseg_maskclip.utils import InputError, require_file, sha256_of, to_plain

_EXPORTED = ('.onnx', '.pt2')
WEIGHTS = ('.pt', '.pth', '.bin', '.safetensors', '.ckpt')
_CLASSES_LEFT = {'num_classes': 1, 'vocabulary': None, 'text_embeddings_path': None,
                 'synonyms': 'mean', 'auxiliary': None}


@dataclass
class Built:
    """A model in evaluation mode, and what it takes to use it.

    Attributes:
        model: A ``MaskClip``, ``MaskClipPlus`` or ``ZegClip`` on its device.
        pipeline: The steps of its test pipeline behind the reading of a file.
        spec: The CLIP model of its text embeddings.
        make_encoder: Makes the encoder of words, when they come.
        templates: What words are put into.
        record: What made it, for records.
        names: The classes it was trained for, None where words must be given.
        palette: Their colours.
        bank: Their text embeddings.
    """

    model: nn.Module
    pipeline: Compose
    spec: ClipSpec
    make_encoder: Callable[[], NameEncoder]
    templates: Any
    record: dict = field(default_factory=dict)
    names: Optional[tuple[str, ...]] = None
    palette: Optional[tuple] = None
    bank: Optional[TextBank] = None


def build(source: Union[str, Path, Config], settings: Settings,
          device: torch.device) -> Built:
    """Build and load a model.

    Args:
        source: Name of a CLIP model, a config, or a checkpoint.
        settings: How.
        device: Where it runs.

    Raises:
        InputError: If there is no such model, a file is missing or does not fit,
            or a setting is of another kind of model.
    """
    if isinstance(source, Config):
        return _from_config(source, 'the config', settings, device)
    name = str(source)
    if name.endswith('.py'):
        return _from_config(load_config(name), name, settings, device)
    if name.lower().endswith(WEIGHTS):
        return _from_file(require_file(name, 'checkpoint'), settings, device)
    spec = named_spec(name)
    path = locate_weights(settings.weights) if settings.weights else find_checkpoint(spec)
    return _from_clip(spec, Path(path), settings, device)


def named_spec(name: str) -> ClipSpec:
    """The CLIP model of a name.

    Args:
        name: What is neither a config nor a checkpoint.

    Raises:
        InputError: If there is none.
    """
    if name.lower().endswith(_EXPORTED):
        raise InputError(f'{name} is an exported model, expected the model that it was made of; '
                         'exported ones (*.onnx) are run by maskclip predict --model FILE.onnx '
                         '--bank WORDS.npz, from Python by load_exported.')
    return get_spec(name)


def _from_file(path: Path, settings: Settings, device: torch.device) -> Built:
    """A checkpoint alone: what training wrote, or a CLIP file that fits one model."""
    if settings.weights:
        raise InputError(f'{path} is a checkpoint, and so is weights={str(settings.weights)!r}: '
                         'give the name of a CLIP model or a config, and its weights.')
    content = read_checkpoint_file(path)
    if content.kind is not CheckpointKind.CLIP:
        settings = settings.replace(weights=path)
        return _from_config(config_of_checkpoint(content, settings), str(path), settings, device)
    fitting = read_clip_checkpoint(path).identify()
    if len(fitting) != 1:
        raise InputError(f'{path} fits {" and ".join(fitting) or "none of the known CLIP models"}: '
                         f'say which it is, with load(NAME, weights={str(path)!r}), where NAME is '
                         f'one of {", ".join(list_models())}.')
    return _from_clip(get_spec(fitting[0]), path, settings, device)


def _from_clip(spec: ClipSpec, path: Path, settings: Settings, device: torch.device) -> Built:
    config = config_of_clip(spec, settings)
    with from_config('model'):
        # Those of a method's protocol are the data set's, nobody has asked for them.
        config.model.decode_head['vocabulary'] = None
    return _maskclip(config, path, settings, device, {'model': spec.name})


def _from_config(config: Config, what: str, settings: Settings, device: torch.device) -> Built:
    if settings.method is not None:
        raise InputError(f'method is {settings.method!r}, which chooses how a CLIP model is read, '
                         f'and {what} is a whole model: leave it out.')
    require_own_fidelity(settings, what)
    if settings.options:
        merge_options(config, dict(settings.options), what)
    kind = config.model.get('type')
    record = {'model': what, 'config_sha256': hash_of_config(config)}
    if kind == MaskClip.__name__:
        return _maskclip(config, _clip_file(config, settings), settings, device, record)
    if kind not in (MaskClipPlus.__name__, ZegClip.__name__):
        raise InputError(f'{what} describes a {kind}, expected a MaskClip, MaskClipPlus or '
                         'ZegClip: use tools/test.py --format-only for others.')
    if settings.weights is None:
        raise InputError(f'{what} describes a {kind}, which is trained: give its checkpoint, '
                         'WORK_DIR/latest.pth.')
    return _trained(config, settings, device, record)


def _clip_file(config: Config, settings: Settings) -> Path:
    named = settings.weights or config.model.get('clip_checkpoint')
    return Path(locate_weights(named)) if named else find_checkpoint(teacher_spec(config.model))


def _maskclip(config: Config, path: Path, settings: Settings, device: torch.device,
              record: dict) -> Built:
    """A training-free model: its tower alone, the words come later."""
    _require_no_class_weight(config)
    with from_config('model'):
        head = config.model.decode_head
        names = head.get('vocabulary')
        templates = settings.templates or head.get('templates', 'imagenet85')
        config = copy.deepcopy(config)
        config.model.pop('clip_checkpoint', None)
        config.model.decode_head = {**head, **_CLASSES_LEFT, **settings.thresholds}
        # What is none of the words is found by their contrast set.
        config.model['refine'] = [
            refiner for refiner in config.model.get('refine') or ()
            if not (isinstance(refiner, Mapping) and refiner.get('type') == 'Background')]
    pipeline = _pipeline(config, settings)
    model = build_model(config)
    checkpoint = read_clip_checkpoint(path)
    load_tower(model.backbone, checkpoint)
    spec = model.backbone.spec

    def make_encoder() -> NameEncoder:
        """Of the own CLIP file, or of another one."""
        other = checkpoint if settings.clip_weights is None else read_clip_checkpoint(
            locate_weights(settings.clip_weights))
        return NameEncoder(other, spec, device)

    return Built(model.to(device).eval(), pipeline, spec, make_encoder, templates,
                 {**record, 'method': settings.method or 'maskclip', 'weights': str(path),
                  'sha256': checkpoint.sha256, 'fidelity': model.backbone.fidelity,
                  **settings.thresholds}, _vocabulary(names))


def _trained(config: Config, settings: Settings, device: torch.device, record: dict) -> Built:
    """A student or a ZegCLIP: its classes and their embeddings are in its checkpoint."""
    if any(settings.thresholds.values()):
        raise InputError('ks_thresh and pd_thresh refine the scores of MaskCLIP, not those of a '
                         'trained model: leave them out.')
    path = Path(str(settings.weights))
    config = copy.deepcopy(config)
    if (config.model.get('class_weight') or {}).get('on') == 'teacher':
        # That taught the student, whose own scores it does not weigh.
        config.model.class_weight = None
    _require_no_class_weight(config)
    pipeline = _pipeline(config, settings)
    model = build_model(config)
    meta = load_weights(model, path, device)
    head = model.decode_head
    names = tuple(meta.get('CLASSES') or _vocabulary(head.vocabulary) or ())
    if len(names) != head.num_classes:
        names = tuple(f'class {index}' for index in range(head.num_classes))
    bank = TextBank(head.text.embeddings.cpu(), names[head.background:],
                    head.text.row_class.cpu())
    spec = _spec_of(model, config)

    def make_encoder() -> NameEncoder:
        """Of the file that is named, or of the teacher."""
        named = settings.clip_weights or (
            config.model.get('clip_checkpoint')
            or (config.model.get('teacher') or {}).get('clip_checkpoint'))
        file = locate_weights(named) if named else find_checkpoint(spec)
        return NameEncoder(read_clip_checkpoint(file), spec, device)

    palette = meta.get('PALETTE') or make_palette(len(names))
    return Built(model.to(device).eval(), pipeline, spec, make_encoder,
                 settings.templates or head.templates,
                 {**record, 'weights': str(path), 'sha256': sha256_of(path)}, names,
                 tuple(map(tuple, palette)), bank)


def _require_no_class_weight(config: Config) -> None:
    if config.model.get('class_weight'):
        raise InputError('the model has a class weight, whose prior knows the classes of its '
                         "config alone: predict without it, options={'model.class_weight': None} "
                         '(--cfg-options model.class_weight=None).')


def _spec_of(model: nn.Module, config: Config) -> ClipSpec:
    if isinstance(model, ZegClip):
        return model.backbone.spec
    return teacher_spec(config.model.get('teacher') or {})


def _vocabulary(names: Any) -> Optional[tuple[str, ...]]:
    return None if names is None else load_vocabulary(names).class_names


def _pipeline(config: Config, settings: Settings) -> Compose:
    steps = input_steps(test_settings(config)[0], settings.size)
    with from_config('data.test.pipeline'):
        return Compose(steps)


def record_of(built: Built, options: Mapping[str, Any]) -> dict[str, Any]:
    """What made the results of a model, for records.

    Args:
        built: The model.
        options: What else was set.
    """
    sizes = [step.img_scale for step in built.pipeline.transforms if hasattr(step, 'img_scale')]
    return to_plain({**built.record, 'templates': built.templates, 'img_scale': sizes,
                     'test_cfg': built.model.test_cfg, **options})
