"""Read-outs against recorded outputs of the official codes of SCLIP ... SC-CLIP."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.ops import gaussian_bias, local_outliers, score_patches

from helpers.cases import cases
from helpers.recorded_heads import (
    REDUCED,
    attention,
    recorded_image,
    recorded_text,
    recorded_tower,
)
from helpers.recordings import read

# Of one float32 rounding in a hundred; the independent program of the recordings reached 2e-6.
TOLERANCE = 2.5e-6


def _naclip(case: str) -> dict:
    """``{naclip,kk,nonly,csa,vanilla}_{reduced,vanilla}_s{sigma}``."""
    name, tail, sigma = case.split('_')
    tail_settings = REDUCED if tail == 'reduced' else {}
    bias = dict(sigma=float(sigma[1:]))
    if name in ('naclip', 'nonly'):
        pairs = 'kk' if name == 'naclip' else 'bias'
        return dict(type='AttentionReadout', pairs=pairs, bias=bias, **tail_settings)
    return attention(name, **tail_settings)


def _clearclip(case: str) -> dict:
    """``{vanilla,maskclip,sclip,clearclip}_{reduced,full}[_last{n}]``."""
    name, tail, *last = case.split('_')
    settings = dict(last=int(last[0][4:])) if last else {}
    return attention(name, **settings, **(REDUCED if tail == 'reduced' else {}))


def _gem(case: str) -> dict:
    """``d{depth}_it{iterations}[_t{temperature}]``, or ``original``."""
    if case == 'original':
        return attention('qk')
    depth, iterations, *rest = case.split('_')
    settings = dict(blocks=int(depth[1:]) - 1, iterations=int(iterations[2:]))
    for word in rest:
        settings.update(dict(residual=False) if word == 'reduced'
                        else dict(temperature=float(word[1:])))
    return dict(type='DualPathReadout', **settings)


def _itaclip(case: str) -> dict:
    pairs = {'csa': ('qq', 'kk'), 'qk': 'qk'}[case]
    return dict(type='AttentionReadout', pairs=pairs, ffn=False,
                middle=dict(blocks=(7, 8, 10), pairs=pairs, weight=0.5))


FILES = {
    'head_sclip': (lambda case: attention(case), 'plus'),
    'head_clearclip': (_clearclip, 'plus'),
    'head_naclip': (_naclip, 'plus'),
    'head_gem': (_gem, 'antialias'),
    'head_surgery': (lambda case: dict(type='DualPathReadout', attention='vv'), 'bilinear'),
    'head_itaclip': (_itaclip, 'plus'),
}


def _recorded(file: str) -> list[str]:
    return sorted(key[:-len('/features')] for key in read(file) if key.endswith('/features'))


CASES = [(file, case) for file in FILES for case in _recorded(file)]


def _check(recorded: dict, case: str, features: torch.Tensor, tolerance: float = TOLERANCE) -> None:
    """Unit features, their norm before, and the cosines with the text, as recorded."""
    features = features.detach()
    norm = features.norm(dim=1)
    tower = case.split('/')[0]
    torch.testing.assert_close(norm, torch.from_numpy(recorded[f'{case}/norm']),
                               rtol=4 * tolerance, atol=0)
    torch.testing.assert_close(F.normalize(features, dim=1),
                               torch.from_numpy(recorded[f'{case}/features']),
                               rtol=0, atol=tolerance)
    if f'{case}/logits' in recorded:
        torch.testing.assert_close(score_patches(features, recorded_text(tower)),
                                   torch.from_numpy(recorded[f'{case}/logits']),
                                   rtol=0, atol=tolerance)


@cases('file, case', CASES)
@torch.no_grad()
def test_features_equal_the_recording(file, case):
    recorded = read(file)
    tower, size, name = case.split('/')
    settings, positions = FILES[file]
    backbone = recorded_tower(tower, settings(name), positions=positions, pad='drop')
    image = recorded_image(tower, size)[:len(recorded[f'{case}/features'])]
    if size == '32x128':
        # The official codes take the table as it is wherever the *number* of patches is its own.
        backbone._grids[(2, 8)] = backbone.pos_embed[0]
    dense = backbone.dense(image, image=f'{case}/cls' in recorded)
    _check(recorded, case, dense.features)
    if dense.image is not None:
        expected = torch.from_numpy(recorded[f'{case}/cls'])
        torch.testing.assert_close(dense.image, expected, rtol=0,
                                   atol=TOLERANCE * expected.norm(dim=1).max().item())


@torch.no_grad()
def test_sc_clip_equals_the_recording():
    recorded = read('head_scclip')
    for case in _recorded('head_scclip'):
        tower, size, name = case.split('/')
        # The official code counts blocks from 0: 6, 4 and 2 to 5.
        settings = dict(before=7, after=5, levels=(3, 6), class_share=0.1,
                        threshold=0.2) if name == 'other_settings' else {}
        backbone = recorded_tower(tower, dict(type='CalibratedReadout', **settings))
        index = 0 if name == 'other_settings' else int(name.split('_')[0][-1])
        image = recorded_image(tower, size)
        # Both pictures at once: what is recorded of one must not depend on the other.
        _check(recorded, case, backbone.dense(image).features[index:index + 1])
        if f'{case}/outliers' in recorded:
            last = backbone.trace(image).patches(12)
            found = local_outliers(last)[index].nonzero().flatten()
            assert found.tolist() == sorted(recorded[f'{case}/outliers'].tolist())


@pytest.mark.parametrize('sigma', [1, 5])
def test_the_gaussian_equals_the_recording(sigma):
    recorded = torch.from_numpy(read('head_naclip')[f'omega/5x7_s{sigma}'])
    assert not recorded[0].any() and not recorded[:, 0].any()
    torch.testing.assert_close(gaussian_bias((5, 7), sigma), recorded[1:, 1:], rtol=0, atol=2e-7)
