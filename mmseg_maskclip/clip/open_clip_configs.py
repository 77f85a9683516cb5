"""From open_clip's model configs to :class:`ClipSpec`, for plain towers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mmseg_maskclip.clip.spec import OPENAI_MEAN, OPENAI_STD, ClipSpec, TextSpec, make_spec
from mmseg_maskclip.utils import InputError

_DEFAULT_EPS = 1e-5
# Settings that may differ from open_clip's defaults and still give a plain tower.
# Patch dropout is off outside training; sine-cosine positions are stored as a table.
_FREE_VISION = {'layers', 'width', 'head_width', 'mlp_ratio', 'patch_size', 'image_size',
                'patch_dropout', 'attn_pooler_queries', 'attn_pooler_heads', 'pos_embed_type',
                'norm_kwargs', 'timm_model_pretrained', 'timm_pool', 'timm_proj',
                'timm_proj_bias', 'timm_drop', 'timm_drop_path', 'block_type'}
_FREE_TEXT = {'context_length', 'vocab_size', 'width', 'heads', 'layers', 'mlp_ratio', 'pad_id',
              'eos_id', 'norm_kwargs', 'hf_model_pretrained', 'hf_proj_type', 'hf_pooler_type',
              'block_type', 'tokenizer_mode'}


def spec_from_config(name: str, config: Mapping[str, Any],
                     pretrained: Mapping[str, Any]) -> ClipSpec:
    """Sizes and training settings of an open_clip architecture with given weights.

    Args:
        name: Architecture name.
        config: Its model config (``embed_dim``, ``vision_cfg``, ``text_cfg``, ...).
        pretrained: Config of its weights (``mean``, ``std``, ``quick_gelu``);
            what it lacks is taken from the model config and OpenAI's statistics.

    Raises:
        InputError: If a tower is not plain; says why.
    """
    import open_clip

    reason = why_not_plain(config)
    if reason:
        raise InputError(f'open_clip model {name} cannot be used: {reason}. Expected a plain '
                         "ViT with a class token or a ModifiedResNet, and CLIP's own text tower.")
    vision = open_clip.CLIPVisionCfg(**config['vision_cfg'])
    resnet = isinstance(vision.layers, (list, tuple))
    quick = pretrained.get('quick_gelu', config.get('quick_gelu', False))
    return make_spec(
        name=name, kind='resnet' if resnet else 'vit', image_size=_side(vision.image_size),
        width=vision.width, layers=tuple(vision.layers) if resnet else vision.layers,
        heads=vision.width * (32 if resnet else 1) // vision.head_width,
        patch_size=None if resnet else _side(vision.patch_size),
        embed_dim=config['embed_dim'], activation='quick_gelu' if quick else 'gelu',
        ln_eps=_eps(vision.norm_kwargs), mlp_ratio=vision.mlp_ratio,
        mean=pretrained.get('mean', OPENAI_MEAN),
        std=pretrained.get('std', OPENAI_STD),
        text=_text_spec(config['text_cfg']), open_clip_name=name)


def why_not_plain(config: Mapping[str, Any]) -> str:
    """Why a model config has no plain towers; empty where it has.

    Args:
        config: An open_clip model config.
    """
    import open_clip

    if 'multimodal_cfg' in config:
        return 'it is a CoCa model with a caption decoder'
    vision, text = config.get('vision_cfg', {}), config.get('text_cfg', {})
    if vision.get('timm_model_name'):
        return f"its image tower is timm's {vision['timm_model_name']}"
    if text.get('hf_model_name'):
        return f"its text tower is {text['hf_model_name']} of Hugging Face"
    if text.get('hf_tokenizer_name'):
        return f"its tokenizer is {text['hf_tokenizer_name']}, not CLIP's"
    return (_unusual('image', vision, open_clip.CLIPVisionCfg, _FREE_VISION)
            or _unusual('text', text, open_clip.CLIPTextCfg, _FREE_TEXT)
            or _unusual_norm(vision, text))


def _unusual(tower: str, cfg: Mapping[str, Any], cls: type, free: set[str]) -> str:
    """The first setting of a tower that makes it another network."""
    defaults = {field.name: field.default for field in fields(cls)}
    for key, value in cfg.items():
        if key not in defaults:
            return f'its {tower} tower has the unknown setting {key}={value}'
        # output_tokens only adds an output; None and False both mean off.
        if key in free or key == 'output_tokens' or (not value and not defaults[key]):
            continue
        if value != defaults[key]:
            return f'its {tower} tower has {key}={value}'
    if cfg.get('block_type') not in (None, 'default'):
        return f"its {tower} tower has block_type={cfg['block_type']}"
    return ''


def _unusual_norm(vision: Mapping[str, Any], text: Mapping[str, Any]) -> str:
    for cfg in (vision, text):
        extra = set(cfg.get('norm_kwargs') or {}) - {'eps'}
        if extra:
            return f'its LayerNorm has the settings {", ".join(sorted(extra))}'
    for key in ('image_size', 'patch_size'):
        value = vision.get(key)
        if isinstance(value, (list, tuple)) and len(set(value)) > 1:
            return f'its {key} {tuple(value)} is not square'
    return ''


def _text_spec(cfg: Mapping[str, Any]) -> TextSpec:
    import open_clip

    text = open_clip.CLIPTextCfg(**cfg)
    return TextSpec(width=text.width, heads=text.heads, layers=text.layers,
                    context_length=text.context_length, vocab_size=text.vocab_size,
                    mlp_ratio=text.mlp_ratio, ln_eps=_eps(text.norm_kwargs))


def _eps(norm_kwargs: Mapping[str, Any] | None) -> float:
    return float((norm_kwargs or {}).get('eps', _DEFAULT_EPS))


def _side(size: Any) -> int:
    return int(size[0]) if isinstance(size, (list, tuple)) else int(size)
