"""Cut the recordings that every clone has from the whole set.

    python tests/parity/cut_recordings.py FOLDER [--out tests/parity/recordings]

What is kept is copied bit by bit. Weights that no recorded output depends on are set to 1, so
that they take no space, and code that reads them gives other outputs.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1])]

from helpers.recordings import read, write  # noqa: E402  (found by the line before)

NAMES = ('vit_clip_visual', 'vit_text', 'rn_clip_visual', 'rn_text', 'maskclip_head',
         'plus_anno_free_vit', 'plus_anno_free_rn', 'plus_anno_free_vit_kspd',
         'plus_zero_shot_clip_stage', 'plus_zero_shot_self_stage', 'plus_zero_shot_bg_v3plus',
         'pamr', 'head_postprocess', 'deep_clip_visual', 'deep_text', 'heads_images_vit',
         'heads_images_deep', 'head_sclip', 'head_clearclip', 'head_naclip', 'head_gem',
         'head_surgery', 'head_itaclip', 'head_resclip', 'head_scclip', 'query_bank',
         'slide_sclip', 'slide_naclip', 'slide_clearclip', 'zegclip_inductive',
         'zegclip_transductive', 'zegclip_fully', 'akmaskclip')
# Sizes and cases kept of each read-out, and one image of each: no square, where there is another,
# and the tower that is deep enough.
HEADS = {
    'heads_images_vit': r'vit/80x112/',
    'heads_images_deep': r'deep/(64x64|72x104)/',
    'head_sclip': r'vit/80x112/',
    'head_clearclip': r'(vit/80x112|deep/64x64/\w+_last3)/',
    'head_naclip': r'(vit/80x112|omega)/',
    'head_gem': r'deep/(64x64/original|72x104/(d7_it1|d2_it1|d7_it2|d7_it1_t10|d7_it1_reduced))/',
    'head_surgery': r'(deep/64x64/|redundant)',
    'head_itaclip': r'(deep/72x104|closing)/',
    'head_resclip': r'deep/72x104/(resclip/|(rcs_only|w64|on_sclip)/(features|norm))',
    'slide_sclip': r'(inputs|sclip\w*/(pred|probs))',
    'slide_naclip': r'naclip_(whole_)?pamr/(pred|probs)',
    'slide_clearclip': r'clearclip_window70/(pred|probs)',
    'akmaskclip': r'deep/64x64/',
    'head_scclip': r'deep/(72x104/image0_mended|64x64/other_settings)/',
}
# Images kept of each size: the towers' own size, and one that is not square.
IMAGES = {'vit/64x64': 2, 'vit/80x112': 1, 'rn/64x64': 1, 'rn/96x160': 1}
# Image and maps kept of PAMR, which refines every map alone.
PAMR_IMAGES, PAMR_MAPS = 1, 2
# The dense last layer reads keys and values alone.
UNREAD = ('attnpool.q_proj.weight', 'decode_head.q_proj.weight')
# What the published decoder of ZegCLIP computes and drops, or never computes.
DEAD = re.compile(r'sd/decode_head\.decoder_1\.layers\.(\d\.(self_attn|norm1)|2\.(linear|norm'
                  r'|multihead_attn\.(v|proj)\.)).*')
# DeepLabv2's branches of dilation 12 and more: on the recorded grid of 8x12 positions, all of
# their 3x3 taps but the middle one touch zero padding.
PADDED = tuple(f'aspp_modules.{branch}.conv.weight' for branch in (1, 2, 3))


def cut(name: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of one recording that are kept."""
    if name == 'maskclip_head':
        sizes = {key: '/'.join(key.split('/')[:2]) for key in arrays}
        return {key: array[:IMAGES[sizes[key]]] for key, array in arrays.items()
                if sizes[key] in IMAGES}
    if name == 'pamr':
        return {key: array[:PAMR_IMAGES] if key == 'img' else array[:PAMR_IMAGES, :PAMR_MAPS]
                for key, array in arrays.items()}
    if name in HEADS:
        kept = {key: array for key, array in arrays.items() if re.match(HEADS[name], key)}
        # Of what has no images first, rows: (7, h, w), (T, T), labels.
        return {key: array[:1] if array.ndim == 4 or key.endswith(
            ('/norm', '/cls', '/cls_unit')) else array
                for key, array in kept.items() if 'every4' not in key or 'minmax' not in key}
    if name.startswith('zegclip'):
        return {key: np.ones_like(array) if DEAD.match(key) else array
                for key, array in arrays.items()}
    return {key: _without_unread(key, array) for key, array in arrays.items()}


def _without_unread(key: str, weight: np.ndarray) -> np.ndarray:
    if key.endswith(UNREAD):
        return np.ones_like(weight)
    if key.endswith(PADDED) and weight.shape[2:] == (3, 3):
        kept = np.ones_like(weight)
        kept[:, :, 1, 1] = weight[:, :, 1, 1]
        return kept
    return weight


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('folder', type=Path, help='the whole set')
    parser.add_argument('--out', type=Path, default=Path(__file__).parent / 'recordings')
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    write({name: cut(name, read(name, args.folder)) for name in NAMES}, args.out)
    print(f'{sum(path.stat().st_size for path in args.out.glob("*.xz")) / 1e6:.2f} MB '
          f'in {args.out}')


if __name__ == '__main__':
    main()
