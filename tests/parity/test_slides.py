"""From an image to its label map: windows, resizing, PAMR and the background, as recorded."""

from __future__ import annotations

import numpy as np
import torch
from mmcv import ConfigDict
from mmseg.models import build_segmentor

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.clip.spec import OPENAI_MEAN, OPENAI_STD

from helpers.cases import cases
from helpers.recorded_heads import CSA, REDUCED, recorded_tower
from helpers.recordings import TOWERS, read

SLIDE = dict(mode='slide', crop_size=(64, 64), stride=(32, 32))
WHOLE = dict(mode='whole')
SCLIP = dict(type='AttentionReadout', **CSA)
NACLIP = dict(type='AttentionReadout', pairs='kk', bias=dict(sigma=5.0), **REDUCED)
CLEARCLIP = dict(type='AttentionReadout', pairs='qq', **REDUCED)
PAMR = dict(type='Pamr', iterations=10, dilations=(8, 16))
# Read-out, padding, test_cfg, refiners before Background, its area threshold.
CASES = {
    'slide_sclip/sclip': (SCLIP, 'drop', SLIDE, [], 0.1),
    'slide_sclip/sclip_whole': (SCLIP, 'drop', dict(WHOLE, direct_resize=True), [], 0.0),
    'slide_naclip/naclip': (NACLIP, 'drop', SLIDE, [], 0.0),
    'slide_naclip/naclip_pamr': (NACLIP, 'drop', SLIDE, [PAMR], 0.0),
    'slide_naclip/naclip_whole_pamr': (NACLIP, 'drop', WHOLE, [PAMR], 0.0),
    'slide_clearclip/clearclip': (CLEARCLIP, 'centre', SLIDE, [], 0.0),
    'slide_clearclip/clearclip_window70': (
        CLEARCLIP, 'centre', dict(SLIDE, crop_size=(70, 70)), [], 0.0),
}
# The project's own set has each kind once.
RECORDED = [case for case in CASES if f"{case.split('/')[1]}/pred" in read(case.split('/')[0])]


def _model(readout, pad, test_cfg, refiners, area_thd, prob_thd):
    statistics = dict(input_mean=[255 * value for value in OPENAI_MEAN],
                      input_std=[255 * value for value in OPENAI_STD])
    model = build_segmentor(ConfigDict(
        type='MaskClip', backbone=dict(
            type='ClipViT', arch=TOWERS['vit'], fidelity='clip', positions='plus', pad=pad,
            readout=readout, **statistics),
        decode_head=dict(type='MaskClipHead', num_classes=6, text_channels=32),
        refine=[*refiners, dict(type='Background', scale=40.0, prob_thd=prob_thd,
                                area_thd=area_thd, label=0)],
        test_cfg=test_cfg))
    model.backbone.load_state_dict(recorded_tower('vit', readout).state_dict())
    bank = read('query_bank')
    model.decode_head.set_text_bank(TextBank(
        embeddings=torch.from_numpy(bank['queries']), class_names=tuple('abcdef'),
        row_class=torch.from_numpy(bank['query_idx']).long(), row_names=tuple('abcdefghij')))
    return model.eval()


@cases('case', RECORDED)
@torch.no_grad()
def test_labels_and_probabilities_equal_the_recording(case):
    file, name = case.split('/')
    recorded, image = read(file), torch.from_numpy(read('slide_sclip')['inputs'])
    shape = (*image.shape[2:], 3)
    meta = dict(ori_shape=(75, 120, 3), img_shape=shape, pad_shape=shape, flip=False)
    labels = _model(*CASES[case], prob_thd=0.3).simple_test(image, [meta])[0]
    wrong = labels != recorded[f'{name}/pred']
    assert wrong.sum() == 0, (wrong.sum(), np.argwhere(wrong)[:5])
    # Recorded before the threshold.
    model = _model(*CASES[case], prob_thd=0.0)
    found = model.inference(image, [meta], rescale=True)[0, :, ::5, ::5]
    expected = torch.from_numpy(recorded[f'{name}/probs_every5'])
    if name.startswith('naclip'):
        # NACLIP's code renormalises what it saves.
        found = found / found.sum(dim=0)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_every_kind_of_case_is_recorded():
    settings = [CASES[case] for case in RECORDED]
    assert {setting[1] for setting in settings} == {'drop', 'centre'}
    assert {setting[2]['mode'] for setting in settings} == {'slide', 'whole'}
    assert any(setting[3] for setting in settings) and any(setting[4] for setting in settings)
