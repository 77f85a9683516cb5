"""Our MaskCLIP against recorded outputs of the official code."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.clip import TextBank, openai_to_backbone
from mmseg_maskclip.models import ClipResNet, ClipViT, MaskClipHead
from mmseg_maskclip.ops import ScoreMap, compose_resize, label_map

FOLDER = Path(os.environ.get('MASKCLIP_PARITY_DIR',
                             Path(__file__).parents[2].parent / 'shared' / 'parity'))
ARCHS = {
    'vit': dict(kind='vit', width=64, layers=3, heads=4, patch_size=16, image_size=64,
                embed_dim=32),
    'rn': dict(kind='resnet', width=8, layers=(3, 4, 6, 3), heads=16, image_size=64,
               embed_dim=32),
}
CASES = [('vit', '64x64'), ('vit', '96x128'), ('vit', '80x112'), ('rn', '64x64'),
         ('rn', '96x160')]

pytestmark = pytest.mark.skipif(not (FOLDER / 'maskclip_head.npz').is_file(),
                                reason=f'no recordings in {FOLDER}')


@pytest.fixture(scope='module')
def recorded():
    return dict(np.load(FOLDER / 'maskclip_head.npz'))


def _backbone(tower):
    kind = {'vit': ClipViT, 'rn': ClipResNet}[tower]
    backbone = kind(arch=ARCHS[tower], fidelity='paper')
    stored = np.load(FOLDER / f'{tower}_clip_visual.npz')
    visual = {key[len('visual.'):]: torch.from_numpy(stored[key]) for key in stored}
    backbone.load_state_dict(openai_to_backbone(visual, ARCHS[tower]['kind']))
    return backbone.eval()


def _head(tower, ks_thresh, pd_thresh):
    text = torch.from_numpy(np.load(FOLDER / f'{tower}_text.npz')['text'])
    head = MaskClipHead(num_classes=7, text_channels=32, ks_thresh=ks_thresh,
                        pd_thresh=pd_thresh)
    head.set_text_bank(TextBank(embeddings=text, class_names=tuple('abcdefg')))
    return head.eval()


@pytest.mark.parametrize('pd_thresh', ['0', '0.5'])
@pytest.mark.parametrize('ks_thresh', ['0', '1'])
@pytest.mark.parametrize(('tower', 'size'), CASES)
@torch.no_grad()
def test_logits_and_labels_equal_the_recording(recorded, tower, size, ks_thresh, pd_thresh):
    case = f'{tower}/{size}/ks{ks_thresh}_pd{pd_thresh}'
    head = _head(tower, float(ks_thresh), float(pd_thresh))
    image = torch.from_numpy(recorded[f'{tower}/{size}/img'])
    logits = head(_backbone(tower).dense(image, keys=head.needs_keys))
    expected = torch.from_numpy(recorded[f'{case}/logits'])
    # Smoothing sums terms of both signs: an entry near zero keeps the scale's rounding.
    torch.testing.assert_close(logits, expected, rtol=1e-4,
                               atol=1e-5 * expected[expected > -100].abs().max().item())
    height, width = image.shape[2:]
    scores = F.interpolate(expected, size=(height, width), mode='bilinear')
    rows = compose_resize(logits.shape[2], height, 0, height, height, height)
    columns = compose_resize(logits.shape[3], width, 0, width, width, width)
    for one, wanted, label in zip(logits, scores, recorded[f'{case}/argmax']):
        found = label_map([ScoreMap([one], [rows], [columns])])
        recorded_label = torch.from_numpy(label).long()
        gap = wanted.max(0).values - wanted.gather(0, found[None])[0]
        tie = gap <= 1e-4 * wanted.abs().max()
        assert ((found == recorded_label) | tie).all()
        assert (found == recorded_label).float().mean() > 0.999


@torch.no_grad()
def test_the_switch_is_what_makes_parity(recorded):
    """The same weights in clip fidelity give other scores: the test above can fail."""
    image = torch.from_numpy(recorded['vit/64x64/img'])
    backbone = _backbone('vit')
    other = ClipViT(arch=ARCHS['vit'], fidelity='clip')
    other.load_state_dict(backbone.state_dict())
    head = _head('vit', 0, 0)
    expected = torch.from_numpy(recorded['vit/64x64/ks0_pd0/logits'])
    assert not torch.allclose(head(other.eval().dense(image)), expected, rtol=1e-2, atol=1e-3)
