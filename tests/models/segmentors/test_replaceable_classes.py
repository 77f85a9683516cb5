"""Other class names on a built and loaded model."""

import pytest
import torch
from mmcv import Config

from mmseg_maskclip.clip import TextBank, build_text_bank, get_spec, read_clip_checkpoint
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.utils import InputError

from helpers.students import build_student

SPEC = get_spec('TinyRN')
META = [dict(filename=None, ori_shape=(64, 96, 3), img_shape=(64, 96, 3), flip=False)]


def _model(names, weight=None, refine=None):
    model = build_model(Config(dict(model=dict(
        type='MaskClip', backbone=dict(type='ClipResNet', arch='TinyRN', fidelity='clip'),
        decode_head=dict(type='MaskClipHead', num_classes=len(names), text_channels=128,
                         vocabulary=names), class_weight=weight, refine=refine,
        test_cfg=dict(mode='whole')))))
    load_weights(model, SPEC.weights)
    return model.eval()


def _bank(names, synonyms='mean'):
    return build_text_bank(read_clip_checkpoint(SPEC.weights), SPEC, names, synonyms=synonyms,
                           progress=False)


@pytest.mark.parametrize('names', [['zebra'], ['sky', 'grass', 'zebra', 'tiger', 'sand']])
@torch.no_grad()
def test_replaced_classes_are_as_if_built_with_them(names):
    torch.manual_seed(0)
    image = torch.randn(1, 3, 64, 96)
    expected = _model(names)
    model = _model(['sky', 'water', 'forest'])
    model.replace_classes(_bank(names))
    torch.testing.assert_close(model.score_grid(image, META), expected.score_grid(image, META))
    assert (model.simple_test(image, META)[0] == expected.simple_test(image, META)[0]).all()
    assert tuple(names) == model.CLASSES
    assert model.num_classes == model.decode_head.num_classes == len(names)


@torch.no_grad()
def test_class_weight_follows_and_needs_its_own_bank():
    names, image = ['zebra', 'sky'], torch.randn(1, 3, 64, 64)
    weight = dict(classifier='TinyRN', mode='log_prior', tau=0.1, source='class_token')
    expected, model = _model(names, weight), _model(['sky', 'water', 'forest'], weight)
    with pytest.raises(InputError, match='prior_bank, made with CLIP model TinyRN'):
        model.replace_classes(_bank(names))
    model.replace_classes(_bank(names), _bank(names))
    torch.testing.assert_close(model.score_grid(image, META), expected.score_grid(image, META))


@torch.no_grad()
def test_contrast_words_stay_and_the_background_is_asked_for():
    names, image = ['zebra', 'sky', 'grass'], torch.randn(1, 3, 64, 96)
    refine = [dict(type='Background', words=['sand', 'forest'], label=0)]
    expected = _model(names, refine=[dict(refine[0], label='none')])
    model = _model(['tiger', 'water'], refine=refine)
    with pytest.raises(InputError, match="class 0 is the background, and 'zebra'.*'none'"):
        model.replace_classes(_bank(names))
    with pytest.raises(InputError, match='label=3, expected 0 to 2'):
        model.replace_classes(_bank(names), background=3)
    assert model.decode_head.num_classes == 2
    model.replace_classes(_bank(names), background='none')
    assert model.decode_head.text.row_class.tolist() == [0, 1, 2, 3, 3]
    labels = model.simple_test(image, META)[0]
    assert (labels == expected.simple_test(image, META)[0]).all() and (labels == 255).any()
    model.replace_classes(_bank(['grass', 'sky']), background=1)
    assert model.simple_test(image, META)[0].max() <= 1
    model.replace_classes(TextBank(_bank(names).embeddings, ('a', 'Background', 'c')))


def test_contrast_words_are_no_names_of_classes():
    refine = [dict(type='Background', words=['forest', 'Meadow'])]
    with pytest.raises(InputError, match="'Meadow' of Background is a name of class 'grass'"):
        _model(['sky', 'grass; meadow'], refine=refine)
    assert _model(['sky', 'grass'], refine=refine).decode_head.text.embeddings.shape[0] == 4


@torch.no_grad()
def test_students_classes_keep_its_background():
    model = build_student(num_classes=6, cls_bg=True, labelling={}, teacher=False).eval()
    rows = torch.nn.functional.normalize(torch.randn(2, 16), dim=1)
    before = model.score_grid(torch.ones(1, 3, 64, 64), META)
    model.replace_classes(TextBank(rows, ('a', 'b')))
    after = model.score_grid(torch.ones(1, 3, 64, 64), META)
    assert after.shape[1] == 3 and model.CLASSES == ('background', 'a', 'b')
    assert torch.equal(after[:, 0], before[:, 0])


@pytest.mark.parametrize(('make', 'words'), [
    (lambda: _model(['sky']).replace_classes(TextBank(torch.ones(2, 64), ('a', 'b'))), '64'),
    (lambda: build_student().replace_classes(TextBank(torch.ones(2, 16), ('a', 'b'))),
     'in training'),
])
def test_what_does_not_fit_is_told(make, words):
    with pytest.raises(InputError, match=words):
        make()
