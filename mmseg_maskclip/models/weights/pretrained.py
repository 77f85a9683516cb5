"""Check that pretrained weights exist and fit the student."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Mapping

from mmcv.runner import CheckpointLoader
from mmcv.utils import print_log
from torch import Tensor, nn

from mmseg_maskclip.clip import read_checkpoint_file
from mmseg_maskclip.models.weights.state_dict import (
    compare_state_dicts,
    first_entries,
    state_dict_hash,
)
from mmseg_maskclip.utils import InputError, require_file

if TYPE_CHECKING:
    from mmseg.models.backbones import TIMMBackbone

_TIMM = 'TIMMBackbone'
_MAY_MISS = 0.25
_TIMM_FILE = 'Set model.pretrained to a weight file of this timm model.'
_SHOWN = 2


def check_pretrained(model: nn.Module) -> None:
    """Check all weight files that ``init_weights`` is going to load.

    mmcv loads what fits and drops the rest silently, so that a file of another
    layout means a random start.

    Args:
        model: A segmentor, before ``init_weights``.

    Raises:
        InputError: If a file is missing or broken, or lacks more than a
            quarter of the module's parameters.
    """
    for name, module in model.named_modules():
        for settings in _pretrained_settings(module):
            _check(name or type(model).__name__, module, settings['checkpoint'],
                   settings.get('prefix'))


def without_pretrained(model: nn.Module) -> None:
    """Let ``init_weights`` load no files into the student, as before resuming."""
    for module in model.modules():
        if any(True for _ in _pretrained_settings(module)):
            # mmcv's attribute, of which torch's annotations know nothing.
            module.init_cfg = None  # type: ignore[assignment]


def settle_timm(settings: dict, wanted: bool) -> None:
    """Set where a timm backbone finds its weights, which it loads while it is built.

    Args:
        settings: A segmentor's config, changed in place; a file in its
            ``pretrained`` is what timm reads instead of fetching its own.
        wanted: Whether pretrained weights are used at all.

    Raises:
        InputError: If the file is missing.
    """
    backbone = settings.get('backbone', {})
    if backbone.get('type') != _TIMM:
        return
    path = settings.pop('pretrained', None)
    if not wanted:
        backbone.update(pretrained=False)
        for key in ('checkpoint_path', 'pretrained_cfg_overlay'):
            backbone.pop(key, None)
    elif path:
        require_file(path, f"pretrained weights of {backbone.get('model_name')},", _TIMM_FILE)
        backbone.update(pretrained=True, pretrained_cfg_overlay={'file': path})


def check_timm(backbone: TIMMBackbone, settings: dict) -> None:
    """Check that a timm backbone has really loaded the weights of its file.

    timm drops what does not fit, silently. It may rename or resize parameters on the way, so
    the file's values are looked for under any name.

    Args:
        backbone: mmseg's ``TIMMBackbone``.
        settings: The segmentor's config.

    Raises:
        InputError: If more than a quarter of the parameters are not from the file.
    """
    source = _timm_file(settings.get('backbone', {}))
    if source is None or not Path(source).is_file():
        return
    state = read_checkpoint_file(source, _TIMM_FILE, 'pretrained weights').state
    # In single precision, in which a file of half precision is loaded.
    found = {state_dict_hash({'': value.float()}) for value in state.values()}
    # Vectors may be the same in any model, such as biases of zero: they prove nothing.
    wanted = {key: value for key, value in backbone.timm_model.state_dict().items()
              if value.ndim > 1}
    lacking = [key for key, value in wanted.items()
               if state_dict_hash({'': value.float()}) not in found]
    if len(lacking) > _MAY_MISS * len(wanted):
        raise InputError(f'{source} lacks {len(lacking)} of the {len(wanted)} weights of '
                         f"{settings['backbone'].get('model_name')}, such as "
                         f'{", ".join(lacking[:_SHOWN])}; {first_entries(state)}. {_TIMM_FILE}')


def timm_source(settings: Mapping) -> str:
    """What timm loads while a segmentor is built, for an error; empty where it loads nothing.

    Args:
        settings: The segmentor's config, after :func:`settle_timm`.
    """
    backbone = settings.get('backbone', {})
    source = _timm_file(backbone)
    return f" with timm's {backbone.get('model_name')} from {source}" if source else ''


def _timm_file(backbone: Mapping) -> str | None:
    """Where a timm backbone takes its weights from, None where it takes none."""
    if backbone.get('type') != _TIMM:
        return None
    if backbone.get('checkpoint_path'):
        return str(backbone['checkpoint_path'])
    if not backbone.get('pretrained', True):
        return None
    return (backbone.get('pretrained_cfg_overlay') or {}).get('file', "timm's hub")


def _pretrained_settings(module: nn.Module) -> Iterator[Mapping]:
    settings = getattr(module, 'init_cfg', None) or ()
    for item in [settings] if isinstance(settings, Mapping) else settings:
        if item.get('type') == 'Pretrained':
            yield item


def _check(name: str, module: nn.Module, source: str, prefix: str | None) -> None:
    kind = type(module).__name__
    found = _read(source, f'pretrained weights of {name} ({kind})', _remedy(kind, source))
    if prefix:
        prefix = prefix.rstrip('.') + '.'
        found = {key[len(prefix):]: value for key, value in found.items()
                 if key.startswith(prefix)}
    # Counters of BatchNorm, which files of old torch versions lack and nothing here reads.
    own = {key: value for key, value in module.state_dict().items()
           if not key.endswith('num_batches_tracked')}
    # A file may hold more, such as the classifier it was trained with.
    difference = compare_state_dicts(own, {key: value for key, value in found.items()
                                           if key in own})
    if difference.unusable > _MAY_MISS * len(own):
        raise InputError(f'{source} does not fit {name} ({kind}): {difference}; '
                         f'{first_entries(found)}. {_remedy(kind, source)}')
    print_log(f'{name} ({kind}) starts from {source}.', 'mmseg')
    if difference:
        print_log(f'{source}, of {name}: {difference}; these start at random.', 'mmseg', level=30)


def _read(source: str, what: str, fix: str) -> Mapping[str, Tensor]:
    if '://' not in source:
        return read_checkpoint_file(source, fix, what).state
    try:
        content = CheckpointLoader.load_checkpoint(source, map_location='cpu')
    except Exception as error:
        # No connection, no such model of a zoo, a damaged file: all end the same.
        raise InputError(f'{what}, {source}, cannot be fetched: {type(error).__name__}: {error}. '
                         'Download them elsewhere and set model.pretrained to the file.'
                         ) from error
    return content.get('state_dict', content)


def _remedy(kind: str, source: str) -> str:
    if kind == 'MixVisionTransformer' or 'mit_b' in Path(source).name:
        size = re.search(r'mit_b(\d)', source)
        raw = f'mit_b{size[1]}.pth' if size else 'mit_bN.pth'
        return (f"Download SegFormer's ImageNet weights {raw} and convert them: python "
                f'tools/model_converters/mit2mmseg.py {raw} {source}')
    return 'Set model.pretrained to the weights of this backbone.'
