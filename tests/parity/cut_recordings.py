"""Cut the recordings that every clone has from the whole set.

    python tests/parity/cut_recordings.py FOLDER [--out tests/parity/recordings]

What is kept is copied bit by bit. Weights that no recorded output depends on are set to 1, so
that they take no space, and code that reads them gives other outputs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1])]

from helpers.recordings import read, write  # noqa: E402  (found by the line before)

NAMES = ('vit_clip_visual', 'vit_text', 'rn_clip_visual', 'rn_text', 'maskclip_head',
         'plus_anno_free_vit', 'plus_anno_free_rn', 'plus_anno_free_vit_kspd',
         'plus_zero_shot_clip_stage', 'plus_zero_shot_self_stage', 'plus_zero_shot_bg_v3plus',
         'pamr', 'head_postprocess', 'head_itaclip')
# Images kept of each size: the towers' own size, and one that is not square.
IMAGES = {'vit/64x64': 2, 'vit/80x112': 1, 'rn/64x64': 1, 'rn/96x160': 1}
# Image and maps kept of PAMR, which refines every map alone.
PAMR_IMAGES, PAMR_MAPS = 1, 2
# The dense last layer reads keys and values alone.
UNREAD = ('attnpool.q_proj.weight', 'decode_head.q_proj.weight')
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
    if name == 'head_itaclip':
        return {key: array for key, array in arrays.items() if key == 'closing/pred'}
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
