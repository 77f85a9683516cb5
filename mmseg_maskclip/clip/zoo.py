"""Known CLIP models by name: OpenAI's nine, the embedded ones, open_clip's."""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import replace
from pathlib import Path

from mmseg_maskclip.clip.open_clip_configs import spec_from_config
from mmseg_maskclip.clip.spec import ClipSpec, make_spec
from mmseg_maskclip.utils import InputError

# name: (architecture in open_clip, short name of the earlier tools)
OPENAI_MODELS = {
    'RN50': ('RN50', 'RN50'),
    'RN101': ('RN101', 'RN101'),
    'RN50x4': ('RN50x4', 'RN50x4'),
    'RN50x16': ('RN50x16', 'RN50x16'),
    'RN50x64': ('RN50x64', 'RN50x64'),
    'ViT-B/32': ('ViT-B-32', 'ViT32'),
    'ViT-B/16': ('ViT-B-16', 'ViT16'),
    'ViT-L/14': ('ViT-L-14', 'ViT14'),
    'ViT-L/14@336px': ('ViT-L-14-336', 'ViT14-336'),
}
_WEIGHTS = Path(__file__).resolve().parents[1] / 'tinyworld' / 'weights'
_TINY_TEXT = {'width': 128, 'heads': 4, 'layers': 2, 'context_length': 32}
TINY_MODELS = {
    'TinyRN': {
        'kind': 'resnet', 'image_size': 128, 'width': 16, 'layers': (1, 1, 1, 1),
        'heads': 8, 'embed_dim': 128, 'text': _TINY_TEXT,
        'filename': 'tiny_rn.pth', 'weights': str(_WEIGHTS / 'tiny_rn.pth')},
    'TinyViT': {
        'kind': 'vit', 'image_size': 128, 'width': 192, 'layers': 2, 'heads': 6,
        'patch_size': 8, 'embed_dim': 128, 'text': _TINY_TEXT,
        'filename': 'tiny_vit.pth', 'weights': str(_WEIGHTS / 'tiny_vit.pth')},
    'TinyViT8': {
        'kind': 'vit', 'image_size': 128, 'width': 192, 'layers': 8, 'heads': 6,
        'patch_size': 8, 'embed_dim': 128, 'text': _TINY_TEXT,
        'filename': 'tiny_vit8.pth', 'weights': str(_WEIGHTS / 'tiny_vit8.pth')},
}


def list_models() -> list[str]:
    """Names of OpenAI's nine models and of the three embedded ones."""
    return [*OPENAI_MODELS, *TINY_MODELS]


@functools.cache
def get_spec(name: str) -> ClipSpec:
    """Sizes and training settings of a CLIP model, by its name.

    Args:
        name: One of :func:`list_models`, a short name of the earlier tools
            (``'ViT16'``), or an open_clip architecture whose image tower is a
            plain ViT or ModifiedResNet, alone (``'ViT-g-14'``) or with the tag
            of its weights (``'ViT-B-16:laion2b_s34b_b88k'``). The name alone of
            an architecture OpenAI published (``'ViT-B-16'``, with or without
            ``-quickgelu``) means OpenAI's weights, hence QuickGELU.

    Raises:
        InputError: If the name is unknown, the tower is not plain, or the
            weights of an architecture differ in activation or image
            statistics and no tag says which are meant.
    """
    if name in TINY_MODELS:
        return make_spec(name=name, **TINY_MODELS[name])
    architecture, _, tag = name.partition(':')
    openai = _openai_aliases().get(_plain(architecture))
    if openai and tag in ('', 'openai'):
        return _openai_spec(openai)
    import open_clip

    architecture = architecture.replace('/', '-').replace('@336px', '-336')
    if architecture not in open_clip.list_models():
        raise InputError(_unknown(name))
    return _open_clip_spec(architecture, tag)


def how_to_get(spec: ClipSpec) -> str:
    """The command that gets the weights of a model, or where they are, as a sentence.

    Args:
        spec: The model.
    """
    if spec.name in OPENAI_MODELS or spec.url or spec.hub:
        return f'Run: bash download_weights.sh {spec.name}'
    if spec.weights:
        return f'Its weights ship with this package: {spec.weights}'
    if spec.open_clip_name:
        import open_clip

        tags = open_clip.list_pretrained_tags_by_model(spec.open_clip_name)
        if tags:
            return (f'Run: bash download_weights.sh {spec.open_clip_name}:TAG with TAG one of '
                    f'{", ".join(tags)}, and name the model so.')
        return f'open_clip has no weights of {spec.open_clip_name}: give a file of your own.'
    return 'Give a CLIP file of these sizes.'


def _plain(name: str) -> str:
    return name.lower().replace('/', '-').replace('@336px', '-336')


@functools.cache
def _openai_aliases() -> dict[str, str]:
    aliases = {}
    for name, (architecture, short_name) in OPENAI_MODELS.items():
        for alias in (name, short_name, architecture, f'{architecture}-quickgelu'):
            aliases[_plain(alias)] = name
    return aliases


def _openai_spec(name: str) -> ClipSpec:
    import open_clip

    architecture, short_name = OPENAI_MODELS[name]
    # Without -quickgelu open_clip would run these weights with exact GELU.
    architecture = f'{architecture}-quickgelu'
    cfg = open_clip.get_pretrained_cfg(architecture, 'openai')
    spec = spec_from_config(architecture, open_clip.get_model_config(architecture), cfg)
    if spec.activation != 'quick_gelu':
        raise InputError(f'open_clip builds {architecture} with {spec.activation}, expected '
                         'quick_gelu, which OpenAI trained with: install open_clip_torch>=3.3,<4.')
    # OpenAI publishes {host}/{sha256}/{filename}.
    sha256, filename = cfg['url'].rstrip('/').split('/')[-2:]
    return replace(spec, name=name, short_name=short_name, filename=filename,
                   url=cfg['url'], sha256=sha256)


def _open_clip_spec(architecture: str, tag: str) -> ClipSpec:
    import open_clip

    config = open_clip.get_model_config(architecture)
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if tag:
        if tag not in tags:
            raise InputError(f"open_clip knows no weights '{tag}' for {architecture}, "
                             f'expected one of: {", ".join(tags) or "none"}.')
        return _tagged_spec(architecture, config, tag)
    specs = [spec_from_config(architecture, config,
                              open_clip.get_pretrained_cfg(architecture, one)) for one in tags]
    if not specs:
        return spec_from_config(architecture, config, {})
    if len(set(specs)) > 1:
        raise InputError(
            f'the published weights of {architecture} differ in activation or image '
            f'statistics: say which, as {architecture}:TAG with TAG one of {", ".join(tags)}.')
    return specs[0]


def _tagged_spec(architecture: str, config: dict, tag: str) -> ClipSpec:
    import open_clip

    cfg = open_clip.get_pretrained_cfg(architecture, tag)
    spec = spec_from_config(architecture, config, cfg)
    url = cfg.get('url') or None
    filename = url.rsplit('/', 1)[-1] if url else f'{architecture}-{tag}.bin'
    # open_clip puts the first digits of a SHA-256 into the names of some files.
    digits = re.search(r'-([0-9a-f]{8})\.pt$', filename)
    return replace(spec, name=f'{architecture}:{tag}', short_name=f'{architecture}_{tag}',
                   filename=filename, url=url,
                   hub=cfg.get('hf_hub') or None, sha256=digits.group(1) if digits else None)


def _unknown(name: str) -> str:
    import open_clip

    names = [*list_models(), *(short for _, short in OPENAI_MODELS.values()),
             *open_clip.list_models()]
    close = difflib.get_close_matches(name, names, n=3)
    hint = f' Did you mean {" or ".join(close)}?' if close else ''
    return (f"unknown CLIP model '{name}'.{hint} Known are {', '.join(list_models())}, the short "
            f'names {", ".join(short for _, short in OPENAI_MODELS.values())}, and plain '
            'open_clip architectures as NAME or NAME:PRETRAINED_TAG.')
