"""Read-outs against recorded outputs of the official codes of SCLIP ... SC-CLIP."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.models.segmentors.feedback import SemanticFeedback
from mmseg_maskclip.models.segmentors.views import ImageViews, blurred_view, grey_view
from mmseg_maskclip.ops import (
    class_cosines,
    gaussian_bias,
    local_outliers,
    score_patches,
    softmax_weights,
    surgery,
)

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


@cases('case', _recorded('akmaskclip'))
@torch.no_grad()
def test_the_earlier_package_equals_the_recording(case):
    """Neither the final LayerNorm nor an L2 norm: the norm of a patch is in its logits."""
    recorded = read('akmaskclip')
    tower, size = case.split('/')
    backbone = recorded_tower(tower, dict(type='AddedValueReadout'), positions='size', pad='drop')
    image = recorded_image(tower, size)[:len(recorded[f'{case}/features'])]
    dense = backbone.dense(image, image=True)
    _check({key: value for key, value in recorded.items() if not key.endswith('logits')}, case,
           dense.features)
    torch.testing.assert_close(F.normalize(dense.image, dim=1), torch.from_numpy(
        recorded[f'{case}/cls_unit']), rtol=0, atol=TOLERANCE)
    assert dense.scored_as_is
    expected = torch.from_numpy(recorded[f'{case}/logits'])
    found = 100 * score_patches(dense.features, recorded_text(tower), normalise=False)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize('sigma', [1, 5])
def test_the_gaussian_equals_the_recording(sigma):
    recorded = torch.from_numpy(read('head_naclip')[f'omega/5x7_s{sigma}'])
    assert not recorded[0].any() and not recorded[:, 0].any()
    torch.testing.assert_close(gaussian_bias((5, 7), sigma), recorded[1:, 1:], rtol=0, atol=2e-7)


def _resclip(case: str) -> tuple[dict, dict]:
    """Settings of the read-out, and of the feedback."""
    base, tail = dict(pairs='kk', bias=dict(sigma=5.0)), REDUCED
    if case == 'on_clearclip':
        base = dict(pairs='qq')
    elif case in ('on_sclip', 'on_qk_full'):
        base, tail = dict(pairs=('qq', 'kk') if case == 'on_sclip' else 'qk'), {}
    wide = case == 'w64'
    middle = dict(blocks=(6, 7, 8, 9), pairs='qk', weight=0.6 if wide else 0.3, gain=2.0)
    feedback = dict(scale=2.1 if wide else 2.2, weight=0.6 if wide else 0.7,
                    min_prob=0.1 if wide else 0.3, same_entity=case != 'no_delete')
    readout = dict(type='AttentionReadout', **base, **tail)
    return (readout if case == 'sfr_only' else {**readout, 'middle': middle}), feedback


@cases('case', _recorded('head_resclip'))
@torch.no_grad()
def test_resclip_equals_the_recording(case):
    recorded = read('head_resclip')
    tower, size, name = case.split('/')
    readout, settings = _resclip(name)
    backbone = recorded_tower(tower, readout, pad='drop')
    image, text = recorded_image(tower, size), recorded_text(tower)
    feedback = SemanticFeedback.of(settings, backbone)
    first = []

    def guide(features):
        first.append((features, feedback.guide(features, image, text, backbone)))
        return first[0][1]

    # Two pictures, of which one is recorded: the guide of one must not reach the other.
    dense = backbone.dense(image, feedback=None if name == 'rcs_only' else guide)
    # The official code rounds the matrix to half precision.
    _check(recorded, case, dense.features[:1], tolerance=3e-5)
    if first:
        features, found = first[0]
        cosines = score_patches(features, text)[0]
        if f'{case}/sfr' not in recorded:
            return
        probabilities = feedback.first_probabilities(cosines, image[0])
        torch.testing.assert_close(probabilities[:, ::4, ::4], torch.from_numpy(
            recorded[f'{case}/first_probs_every4'])[0], rtol=0, atol=1e-5)
        labels = feedback.label_patches(cosines, image[0], 8)
        assert labels.numpy().tolist() == recorded[f'{case}/patch_labels'].tolist()
        # Recorded before the division by the largest entry.
        matrix = found.matrix[0] / found.matrix[0].sum(dim=1, keepdim=True)
        torch.testing.assert_close(matrix, torch.from_numpy(recorded[f'{case}/sfr'])[1:, 1:],
                                   rtol=0, atol=1e-7)


@torch.no_grad()
def test_views_of_itaclip_equal_the_recording():
    recorded = read('head_itaclip')
    sizes = sorted({key.split('/')[1] for key in recorded if 'image_engineering' in key})
    backbone = recorded_tower('deep', _itaclip('csa'), pad='drop')
    views = ImageViews(weight=0.7)
    for size in sizes:
        image = recorded_image('deep', size)
        features = views.combine(backbone.dense(
            torch.cat([image, views.of_images(image, backbone)])).features)
        scores = score_patches(features, recorded_text('deep'), normalise=False)[:1]
        large = F.interpolate(scores, size=image.shape[2:], mode='bilinear')
        torch.testing.assert_close(large[..., ::4, ::4], torch.from_numpy(
            recorded[f'deep/{size}/image_engineering_every4']), rtol=0, atol=TOLERANCE)
        if f'deep/{size}/gray' in recorded:
            for name, view in (('gray', grey_view(image)[0, :1]), ('blur', blurred_view(image)[0])):
                torch.testing.assert_close(view, torch.from_numpy(
                    recorded[f'deep/{size}/{name}']), rtol=0, atol=TOLERANCE)


@torch.no_grad()
def test_what_is_made_of_the_scores_of_clip_surgery_and_gem():
    """Feature surgery with its prior and with a redundant feature; GEM's heat maps."""
    recorded = read('head_surgery')
    backbone = recorded_tower('deep', FILES['head_surgery'][0](''), positions='bilinear')
    text, redundant = recorded_text('deep'), torch.from_numpy(recorded['redundant'])
    for size in sorted({key.split('/')[1] for key in recorded if '/' in key}):
        dense = backbone.dense(recorded_image('deep', size), image=True)
        scores = score_patches(dense.features, text)
        expected = torch.from_numpy(recorded[f'deep/{size}/surgery/redundant_given'])
        found = scores - score_patches(dense.features, redundant)
        torch.testing.assert_close(found[:len(expected)], expected, rtol=0, atol=TOLERANCE)
        prior = softmax_weights(class_cosines(dense.image, text), tau=0.5)
        for index, maps in enumerate(surgery(scores, prior)):
            key = f'deep/{size}/surgery/feature_surgery_{index}'
            if key in recorded:
                torch.testing.assert_close(maps, torch.from_numpy(recorded[key]), rtol=0,
                                           atol=TOLERANCE)
    recorded = read('head_gem')
    for key in filter(lambda key: key.endswith('minmax_every4'), recorded):
        size = key.split('/')[1]
        image = recorded_image('deep', size)
        tower = recorded_tower('deep', _gem('d7_it1'), positions='antialias')
        large = F.interpolate(score_patches(tower.dense(image).features, text),
                              size=image.shape[2:], mode='bilinear')
        low, high = large.amin(dim=(2, 3), keepdim=True), large.amax(dim=(2, 3), keepdim=True)
        torch.testing.assert_close(((large - low) / (high - low))[..., ::4, ::4],
                                   torch.from_numpy(recorded[key]), rtol=0, atol=2e-5)
