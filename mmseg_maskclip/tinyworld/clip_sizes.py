"""Sizes of the tiny CLIPs, in open_clip's form."""

from __future__ import annotations

_TEXT = {'context_length': 32, 'vocab_size': 49408, 'width': 128, 'heads': 4, 'layers': 2}

TINY_RN = {
    'embed_dim': 128,
    'quick_gelu': True,
    'vision_cfg': {'image_size': 128, 'layers': (1, 1, 1, 1), 'width': 16, 'head_width': 64},
    'text_cfg': _TEXT,
}

TINY_VIT = {
    'embed_dim': 128,
    'quick_gelu': True,
    'vision_cfg': {'image_size': 128, 'layers': 2, 'width': 192, 'head_width': 32,
                   'patch_size': 8},
    'text_cfg': _TEXT,
}

TINY_VIT8 = {**TINY_VIT, 'vision_cfg': {**TINY_VIT['vision_cfg'], 'layers': 8}}
