"""Our MaskCLIP against recorded outputs of the official code."""

import itertools

import torch
import torch.nn.functional as F

from mmseg_maskclip.clip import openai_to_backbone
from mmseg_maskclip.models import ClipResNet, ClipViT, MaskClipHead
from mmseg_maskclip.ops import ScoreMap, compose_resize, label_map

from helpers.cases import cases
from helpers.recordings import TOWERS, read, text_bank

RECORDED = read('maskclip_head')
# 'vit/64x64/ks0_pd0.5': tower, size, and the thresholds of both refinements.
CASES = sorted(key[:-len('/logits')] for key in RECORDED if key.endswith('/logits'))


def _backbone(tower):
    kind = {'vit': ClipViT, 'rn': ClipResNet}[tower]
    backbone = kind(arch=TOWERS[tower], fidelity='paper')
    visual = {key[len('visual.'):]: torch.from_numpy(value)
              for key, value in read(f'{tower}_clip_visual').items()}
    backbone.load_state_dict(openai_to_backbone(visual, TOWERS[tower]['kind']))
    return backbone.eval()


def _head(tower, ks_thresh, pd_thresh):
    head = MaskClipHead(num_classes=7, text_channels=32, ks_thresh=ks_thresh,
                        pd_thresh=pd_thresh)
    head.set_text_bank(text_bank(read(f'{tower}_text')['text']))
    return head.eval()


def test_every_kind_of_case_is_recorded():
    """Square at the tower's own size, and not: with and without each refinement."""
    sizes = {tower: {case.split('/')[1] for case in CASES if case.startswith(f'{tower}/')}
             for tower in ('vit', 'rn')}
    for tower in sizes:
        assert '64x64' in sizes[tower] and len(sizes[tower]) > 1
        assert set(CASES) >= {f'{tower}/{size}/ks{ks}_pd{pd}' for size, ks, pd in
                              itertools.product(sizes[tower], ('0', '1'), ('0', '0.5'))}


@cases('case', CASES)
@torch.no_grad()
def test_logits_and_labels_equal_the_recording(case):
    tower, size, thresholds = case.split('/')
    ks_thresh, pd_thresh = (float(part[2:]) for part in thresholds.split('_'))
    head = _head(tower, ks_thresh, pd_thresh)
    image = torch.from_numpy(RECORDED[f'{tower}/{size}/img'])
    logits = head(_backbone(tower).dense(image, keys=head.needs_keys))
    expected = torch.from_numpy(RECORDED[f'{case}/logits'])
    # Smoothing sums terms of both signs: an entry near zero keeps the scale's rounding.
    torch.testing.assert_close(logits, expected, rtol=1e-4,
                               atol=1e-5 * expected[expected > -100].abs().max().item())
    height, width = image.shape[2:]
    scores = F.interpolate(expected, size=(height, width), mode='bilinear')
    rows = compose_resize(logits.shape[2], height, 0, height, height, height)
    columns = compose_resize(logits.shape[3], width, 0, width, width, width)
    recorded_labels = torch.from_numpy(RECORDED[f'{case}/argmax']).long()
    assert len(logits) == len(recorded_labels) == len(image)
    for one, wanted, recorded_label in zip(logits, scores, recorded_labels):
        found = label_map([ScoreMap([one], [rows], [columns])])
        gap = wanted.max(0).values - wanted.gather(0, found[None])[0]
        tie = gap <= 1e-4 * wanted.abs().max()
        assert ((found == recorded_label) | tie).all()
        assert (found == recorded_label).float().mean() > 0.999


@torch.no_grad()
def test_the_switch_is_what_makes_parity():
    """The same weights in clip fidelity give other scores: the test above can fail."""
    image = torch.from_numpy(RECORDED['vit/64x64/img'])
    backbone = _backbone('vit')
    other = ClipViT(arch=TOWERS['vit'], fidelity='clip')
    other.load_state_dict(backbone.state_dict())
    head = _head('vit', 0, 0)
    expected = torch.from_numpy(RECORDED['vit/64x64/ks0_pd0/logits'])
    assert not torch.allclose(head(other.eval().dense(image)), expected, rtol=1e-2, atol=1e-3)
