"""One training step of MaskCLIP+ against recorded steps of the official code."""

import pytest
import torch
import torch.nn.functional as F
from mmcv import Config

from mmseg_maskclip.engine.build import build_model

from helpers.gradients import assert_gradients, gradient_norms
from helpers.recordings import TOWERS, read, recorded_names, text_bank

NORM = dict(type='BN', requires_grad=True)
ASPP_V2 = dict(type='ASPPHeadV2', in_channels=128, in_index=3, dilations=(6, 12, 18, 24))
V3_PLUS = dict(type='DepthwiseSeparableASPPHead', in_channels=128, in_index=3,
               dilations=(1, 12, 24, 36), c1_in_channels=16, c1_channels=8)
CASES = {
    'anno_free_vit': dict(clip=range(7)),
    'anno_free_rn': dict(tower='rn', clip=range(7)),
    'anno_free_vit_kspd': dict(clip=range(7), ks=1.0, pd=0.5),
    'zero_shot_clip_stage': dict(clip=(4, 5, 6)),
    'zero_shot_self_stage': dict(own=(4, 5, 6)),
    'zero_shot_bg_v3plus': dict(clip=(5, 6, 7), decoder=V3_PLUS, cls_bg=True),
}


def _model(case, training=True):
    tower = TOWERS[case.get('tower', 'vit')]
    kind = 'ClipViT' if tower['kind'] == 'vit' else 'ClipResNet'
    background = case.get('cls_bg', False)
    teacher = dict(type='MaskClip', backbone=dict(type=kind, arch=tower, fidelity='paper'),
                   decode_head=dict(type='MaskClipHead', num_classes=7, text_channels=32,
                                    ks_thresh=case.get('ks', 0.0), pd_thresh=case.get('pd', 0.0)),
                   test_cfg=dict(mode='whole'))
    if 'own' in case:
        labelling = dict(self_train=(1, -1), self_classes=list(case['own']),
                         clip_classes=list(case['own']))
    else:
        labelling = dict(clip_guided=(1, -1), clip_classes=list(case['clip']))
    return build_model(Config(dict(model=dict(
        type='MaskClipPlus',
        backbone=dict(type='ResNetV1c', depth=50, base_channels=4, stem_channels=4,
                      dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1), norm_cfg=NORM,
                      norm_eval=False, contract_dilation=True, style='pytorch'),
        decode_head=dict(type='MaskClipPlusHead', decoder=case.get('decoder', ASPP_V2),
                         num_classes=7 + background, text_channels=32, cls_bg=background,
                         dropout_ratio=0, norm_cfg=NORM),
        teacher=teacher, labelling=labelling, train_cfg=dict(),
        test_cfg=dict(mode='whole')))), training)


def _load(model, stored):
    """The recorded weights: the student's by their names, the teacher's beside them."""
    state = {key[3:]: torch.from_numpy(stored[key]) for key in stored if key.startswith('sd/')}
    bank = text_bank(stored['text'])
    model.decode_head.set_text_bank(bank)
    student = {key: value for key, value in state.items()
               if key.startswith(('backbone.', 'decode_head.decode_module.',
                                  'decode_head.bg_embeddings'))}
    found = model.load_state_dict(student, strict=False)
    assert not found.unexpected_keys
    assert set(found.missing_keys) == {'decode_head.text.embeddings',
                                       'decode_head.text.row_class'}
    if model.teacher is None:
        return
    tower = {key[len('decode_head.clip.'):]: value for key, value in state.items()
             if key.startswith('decode_head.clip.')}
    if 'decode_head.proj.weight' in state:
        tower['proj.weight'] = state['decode_head.proj.weight'][:, :, 0, 0]
    for name in 'qkvc':
        if f'decode_head.{name}_proj.weight' in state:
            tower[f'attnpool.{name}_proj.weight'] = state[
                f'decode_head.{name}_proj.weight'][:, :, 0, 0]
            tower[f'attnpool.{name}_proj.bias'] = state[f'decode_head.{name}_proj.bias']
    found = model.teacher.backbone.load_state_dict(tower, strict=False)
    assert set(found.missing_keys) <= {'attnpool.positional_embedding'}
    assert not found.unexpected_keys
    model.teacher.decode_head.set_text_bank(bank)


def test_every_recorded_step_is_run():
    assert recorded_names('plus_') == {f'plus_{name}' for name in CASES}


@pytest.mark.parametrize('name', CASES)
def test_one_step_equals_the_recording(name):
    stored = read(f'plus_{name}')
    model = _model(CASES[name])
    _load(model, stored)
    image = torch.from_numpy(stored['img'])
    labels = torch.from_numpy(stored['gt']).long()
    metas = [{'filename': str(index)} for index in range(len(image))]
    _same_evaluation(model, image, stored)
    model.train()
    model.iteration = 1
    labelled = []
    original = model.label_unlabelled
    model.label_unlabelled = lambda *args: labelled.append(original(*args)) or labelled[-1]
    losses = model.forward_train(image, metas, labels)
    pseudo = torch.from_numpy(stored['pseudo']).long()[:, 0]
    agree = labelled[0][0] == pseudo
    # Another CPU may decide a tie or two of the 12288 pixels otherwise.
    assert (~agree).sum() <= 2 and labelled[0][0].lt(0).sum() == 0
    assert losses['decode.loss_ce'].item() == pytest.approx(float(stored['loss']), rel=1e-3)
    filled = losses['decode.filled_self' if 'own' in CASES[name] else 'decode.filled_clip']
    assert filled.item() == pytest.approx((labels == -1).float().mean().item())

    def step(image):
        model.zero_grad()
        model.forward_train(image, metas, labels)['decode.loss_ce'].backward()
        return gradient_norms(model)

    assert_gradients(step, image, dict(zip(stored['grad_names'].tolist(),
                                           stored['grad_norms'].tolist())))


@torch.no_grad()
def _same_evaluation(model, image, stored):
    model.eval()
    scores = F.interpolate(model.score_grid(image, []), size=image.shape[2:], mode='bilinear')
    expected = torch.from_numpy(stored['eval_logits'])
    scale = expected.abs().max().item()
    torch.testing.assert_close(scores[:, :, ::8, ::8], expected, rtol=1e-3, atol=1e-5 * scale)
    meta = dict(img_shape=(*image.shape[2:], 3), ori_shape=(*image.shape[2:], 3), flip=False)
    for index, labels in enumerate(model.simple_test(image, [meta] * len(image))):
        chosen = scores[index].gather(0, torch.from_numpy(labels)[None])[0]
        assert (scores[index].max(0).values - chosen).max() <= 1e-5 * scale
        assert (labels == stored['eval_argmax'][index]).mean() > 0.999


@pytest.mark.parametrize('name', CASES)
def test_train_logits_equal_the_recording(name):
    stored = read(f'plus_{name}')
    model = _model(CASES[name])
    _load(model, stored)
    logits = model.train().decode_head(model.extract_feat(torch.from_numpy(stored['img'])))
    expected = torch.from_numpy(stored['train_logits'])
    torch.testing.assert_close(logits, expected, rtol=1e-3,
                               atol=1e-5 * expected.abs().max().item())


@pytest.mark.parametrize('name', ['anno_free_rn', 'zero_shot_bg_v3plus', 'zero_shot_self_stage'])
@torch.no_grad()
def test_released_checkpoint_loads_for_testing(name, tmp_path):
    """The whole official state dict, its teacher dropped and told."""
    from mmseg_maskclip.models.weights.load import load_weights
    stored = read(f'plus_{name}')
    state = {key[3:]: torch.from_numpy(stored[key]) for key in stored if key.startswith('sd/')}
    # The fork's SegFormer head has a classifier of its own, which it never used.
    state['decode_head.decode_module.conv_seg.weight'] = torch.ones(2, 16, 1, 1)
    torch.save({'state_dict': state, 'meta': {}}, tmp_path / 'released.pth')
    model = _model(CASES[name], training=False)
    load_weights(model, tmp_path / 'released.pth')
    assert model.teacher is None
    _same_evaluation(model, torch.from_numpy(stored['img']), stored)
