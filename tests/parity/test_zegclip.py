"""A training step and the test scores of ZegCLIP against recordings of the official code."""

from functools import cache

import numpy as np
import pytest
import torch
from mmcv import Config

from mmseg_maskclip.clip import CheckpointContent
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.models.weights.official_zegclip import adapt_zegclip
from mmseg_maskclip.models.weights.zegclip import load_zegclip

from helpers.gradients import gradient_norms
from helpers.recordings import read

ARCH = dict(width=48, layers=3, heads=4, patch_size=8, image_size=64, embed_dim=32)
UNSEEN = [4, 5]
# Mode, offset of the seen classes. The official code takes 0.1 from all classes in 'fully'.
CASES = {'inductive': ('inductive', 0.1), 'transductive': ('transductive', 0.0),
         'fully': ('supervised', 0.0)}


def _model(case, tmp_path, training=True):
    """The recorded model; its text embeddings come from a file, as the official code has them."""
    mode, offset = CASES[case]
    np.save(tmp_path / 'text.npy', read(f'zegclip_{case}')['text'])
    model = build_model(Config(dict(model=dict(
        type='ZegClip', mode=mode, unseen=UNSEEN,
        backbone=dict(type='PromptedClipViT', arch=ARCH, num_prompts=3, prompt_dropout=0.0,
                      positions='bilinear', stored_grid=(8, 8), renormalise=False,
                      double_class_token=True),
        decode_head=dict(type='ZegClipHead', num_classes=6, text_channels=32, embed_dims=32,
                         num_heads=4, dropout_ratio=0.0,
                         text_embeddings_path=str(tmp_path / 'text.npy')),
        train_cfg=dict(), test_cfg=dict(mode='slide', crop_size=(64, 64), stride=(53, 53),
                                        seen_offset=offset)))), training)
    load_zegclip(model, CheckpointContent(tmp_path / 'official.pth', {'state_dict': _state(case)}))
    return model


@cache
def _state(case):
    stored = read(f'zegclip_{case}')
    return {key[3:]: torch.from_numpy(stored[key]) for key in stored if key.startswith('sd/')}


def _watch(head, seen):
    """Note the logits and labels that the loss gets."""
    losses = head.loss_decode.forward

    def watched(logits, labels):
        seen.update(logits=logits.detach(), labels=labels)
        return losses(logits, labels)

    head.loss_decode.forward = watched


@pytest.mark.parametrize('case', CASES)
def test_training_step_equals_the_recording(case, tmp_path):
    stored, model, seen = read(f'zegclip_{case}'), _model(case, tmp_path), {}
    _watch(model.decode_head, seen)
    labels = torch.from_numpy(stored['gt'].astype(np.int64))
    if case != 'fully':
        labels[torch.isin(labels, torch.tensor(UNSEEN))] = -1
    model.train().iteration = 1
    losses = model.forward_train(torch.from_numpy(stored['img']), [dict(filename='a')] * 2, labels)
    np.testing.assert_allclose(seen['logits'][:, :, ::4, ::4], stored['train_masks'], rtol=1e-4,
                               atol=1e-6)
    np.testing.assert_array_equal(seen['labels'], stored['targets'][:, 0])
    for name in ('loss_mask', 'loss_dice'):
        assert losses[f'decode.{name}'].item() == pytest.approx(stored[name].item(), rel=1e-4)
    sum(losses[f'decode.{name}'] for name in ('loss_mask', 'loss_dice')).backward()
    _assert_gradients(model, stored)


def _assert_gradients(model, stored):
    """All that the official code learns has the recorded gradient, and nothing else learns."""
    # Renaming leaves the tensors themselves as they are.
    names = {id(value): name for name, value in adapt_zegclip(_state('fully'), 'state').items()}
    recorded = {names[id(_state('fully')[name])]: norm
                for name, norm in zip(stored['grad_names'].tolist(), stored['grad_norms'])}
    found = gradient_norms(model)
    assert found.keys() == recorded.keys() == dict(model.named_parameters()).keys()
    # The bias of a key moves all scores of a softmax alike: its gradient is zero but for rounding.
    rounding = 1e-6 * max(recorded.values())
    for name, norm in recorded.items():
        assert found[name] == pytest.approx(norm, rel=1e-4, abs=rounding), name


@pytest.mark.parametrize('case', CASES)
@torch.no_grad()
def test_scores_and_labels_equal_the_recording(case, tmp_path):
    stored, model = read(f'zegclip_{case}'), _model(case, tmp_path, training=False).eval()
    lacking = 0.1 if case == 'fully' else 0.0
    scores = model.encode_decode(torch.from_numpy(stored['img']), [{}] * 2)
    np.testing.assert_allclose(scores[:, :, ::4, ::4] - lacking, stored['eval_scores'], rtol=1e-4,
                               atol=1e-6)
    np.testing.assert_array_equal(scores.argmax(dim=1), stored['eval_argmax'])

    image = torch.from_numpy(stored['slide_img'])
    meta = [dict(img_shape=(64, 96, 3), ori_shape=(50, 75, 3), flip=False)]
    scores = model.inference(image, meta, rescale=True)
    np.testing.assert_allclose(scores[:, :, ::5, ::5] - lacking, stored['slide_scores'], rtol=1e-4,
                               atol=1e-6)
    np.testing.assert_array_equal(model.simple_test(image, meta)[0], stored['slide_argmax'][0])
