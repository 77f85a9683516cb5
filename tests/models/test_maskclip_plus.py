import copy

import pytest
import torch
import torch.nn.functional as F
from mmcv.runner import build_optimizer

from mmseg_maskclip.clip import get_spec
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.models import IterationHook, Labeller, MaskClip
from mmseg_maskclip.models.pseudo_labels.labeller import Window
from mmseg_maskclip.models.pseudo_labels.teacher import check_order
from mmseg_maskclip.ops.precision import running_in
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.students import (
    CLASSES,
    DECODERS,
    NORM,
    build_student,
    student_config,
    teacher_config,
    train_step,
    unlabelled,
)


@pytest.mark.parametrize('student', DECODERS)
def test_any_student_trains_and_predicts(student):
    config = student_config(student)
    before = copy.deepcopy(config.model)
    model = build_student(student)
    assert build_model(config, training=True) and config.model == before
    losses, image = train_step(model, unlabelled())
    losses['decode.loss_ce'].backward()
    assert losses['decode.filled_clip'] == 1
    without = [name for name, value in model.named_parameters() if value.grad is None]
    assert not without
    labels = model.eval().simple_test(image, [dict(
        img_shape=(64, 64, 3), ori_shape=(50, 70, 3), flip=False)] * 2)
    assert labels[0].shape == (50, 70)


def test_teacher_is_in_no_optimizer_checkpoint_or_gradient():
    model = build_student()
    assert isinstance(model.teacher, MaskClip)
    teacher = {id(value) for value in model.teacher.parameters()}
    assert not teacher & {id(value) for value in model.parameters()}
    optimizer = build_optimizer(model, dict(type='SGD', lr=0.1))
    assert not teacher & {id(p) for group in optimizer.param_groups for p in group['params']}
    assert all(key.startswith(('backbone.', 'decode_head.')) for key in model.state_dict())
    assert not any('teacher' in key or 'clip' in key for key in model.state_dict())
    losses, _ = train_step(model, unlabelled())
    losses['decode.loss_ce'].backward()
    assert all(value.grad is None for value in model.teacher.parameters())
    assert not any(module.training for module in model.teacher.modules())


@pytest.mark.parametrize('own, student, expected', [
    ('bf16', 'fp32', torch.bfloat16), ('fp32', 'bf16', torch.float32),
    (None, 'bf16', torch.bfloat16), (None, 'fp32', torch.float32)])
def test_teacher_computes_in_a_precision_of_its_own(own, student, expected):
    model = build_student(model=dict(teacher_precision=own))
    taught, learned = [], []
    for tower, found in ((model.teacher.backbone, taught), (model.backbone, learned)):
        layer = [one for one in tower.modules() if isinstance(one, torch.nn.Conv2d)][-1]
        layer.register_forward_hook(lambda *args, found=found: found.append(args[2].dtype))
    with running_in(student, torch.device('cpu')):
        losses, _ = train_step(model, unlabelled())
    assert losses['decode.filled_clip'] == 1
    assert taught == [expected]
    assert learned == [torch.bfloat16 if student == 'bf16' else torch.float32]


def test_teacher_moves_with_the_model():
    model = build_student().double()
    assert next(model.teacher.parameters()).dtype == torch.float64


def test_teachers_labels_are_those_of_the_test_path():
    model = build_student()
    labels, image = unlabelled(1), torch.randn(1, 3, 64, 64)
    model.iteration = 1
    completed, _ = model.label_unlabelled(labels[:, 0], image, [{}], None)
    meta = dict(img_shape=(64, 64, 3), ori_shape=(64, 64, 3), flip=False)
    assert (completed[0].numpy() == model.teacher.simple_test(image, [meta])[0]).mean() > 0.999


def test_given_and_ignored_labels_stay():
    model = build_student(labelling=dict(clip_guided=(1, -1), clip_classes=[3, 4]))
    labels = unlabelled(1)
    labels[:, :, :20] = 255
    labels[:, :, 20:40] = 1
    with pytest.raises(InputError, match='IterationHook'):
        model.label_unlabelled(labels[:, 0], torch.randn(1, 3, 64, 64), [{}], None)
    model.iteration = 1
    completed, filled = model.label_unlabelled(labels[:, 0], torch.randn(1, 3, 64, 64), [{}], None)
    assert completed[:, :20].eq(255).all() and completed[:, 20:40].eq(1).all()
    assert set(completed[:, 40:].unique().tolist()) <= {3, 4}
    assert filled == pytest.approx(24 / 64)


def test_without_a_stage_unlabelled_pixels_do_not_count():
    model = build_student(labelling=dict(clip_guided=(5, 6)))
    losses, _ = train_step(model, unlabelled(), iteration=1)
    assert losses['decode.loss_ce'] == 0
    assert losses.keys() == {'decode.loss_ce', 'decode.acc_seg'}
    losses, _ = train_step(model, unlabelled(), iteration=5)
    assert losses['decode.loss_ce'] > 0


def test_plain_supervised_use():
    model = build_student(labelling=dict())
    assert model.teacher is None
    losses, _ = train_step(model, torch.randint(0, CLASSES, (2, 1, 64, 64)))
    assert losses['decode.loss_ce'] > 0 and not any('filled' in name for name in losses)


def test_texts_come_from_a_teacher_that_never_labels():
    """It is not built, its file is read for the words alone."""
    spec = get_spec('TinyRN')
    teacher = dict(type='MaskClip', clip_checkpoint=spec.weights, test_cfg=dict(mode='whole'),
                   backbone=dict(type='ClipResNet', arch='TinyRN'),
                   decode_head=dict(type='MaskClipHead', num_classes=2, text_channels=128))
    model = build_model(student_config(labelling=dict(), teacher=teacher, num_classes=2,
                                       text_channels=128, vocabulary=['grass', 'sky']),
                        training=True)
    model.init_weights()
    assert model.teacher is None
    torch.testing.assert_close(model.decode_head.text.embeddings.norm(dim=1), torch.ones(2))


@cases('iteration, stage', [
    (1, 'clip'), (1999, 'clip'), (2000, 'self'), (20000, 'self'), (0, None)])
def test_published_windows_at_their_boundaries(iteration, stage):
    labeller = Labeller(20, clip_guided=(1, 1999), self_train=(2000, -1))
    assert labeller.stage(iteration) == stage


def test_both_heads_learn_the_filled_labels():
    """The losses are those of the teacher's own label maps."""
    auxiliary = dict(type='FCNHead', in_channels=32, in_index=2, channels=8, num_convs=1,
                     num_classes=CLASSES, norm_cfg=NORM, dropout_ratio=0)
    model = build_student(model=dict(auxiliary_head=auxiliary))
    losses, image = train_step(model, unlabelled())
    meta = dict(img_shape=(64, 64, 3), ori_shape=(64, 64, 3), flip=False)
    expected = torch.stack([torch.from_numpy(labels)
                            for labels in model.teacher.simple_test(image, [meta] * 2)])
    for name, head in (('decode', model.decode_head), ('aux', model.auxiliary_head)):
        scores = F.interpolate(head(model.extract_feat(image)), (64, 64), mode='bilinear')
        torch.testing.assert_close(losses[f'{name}.loss_ce'], F.cross_entropy(scores, expected))


def test_evaluation_between_steps_moves_no_stage():
    model = build_student(labelling=dict(clip_guided=(1, 2), self_train=(3, -1)))
    _, image = train_step(model, unlabelled(), iteration=2)
    meta = dict(img_shape=(64, 64, 3), ori_shape=(64, 64, 3), flip=False)
    model.eval().simple_test(image, [meta] * 2)
    assert model.iteration == 2 and model.labeller.stage(model.iteration) == 'clip'

    class Runner:
        iter = 2

    Runner.model = model
    IterationHook().before_train_iter(Runner)
    assert model.iteration == 3 and model.labeller.stage(model.iteration) == 'self'


def test_overlapping_stages_need_a_rule():
    windows = dict(clip_guided=(1, 10), self_train=(5, -1))
    with pytest.raises(InputError, match='overlap'):
        Labeller(5, **windows)
    assert Labeller(5, overlap='clip', **windows).stage(7) == 'clip'
    assert Labeller(5, overlap='self', **windows).stage(7) == 'self'
    assert not Window(1, 4).overlaps(Window(5, -1))
    assert Window(1, -1).overlaps(Window(7, 9))


def test_labels_of_classes_that_nobody_gives_are_no_leak():
    """The teacher, which never labels, may give all classes; the student two."""
    model = build_student(labelling=dict(self_train=(1, -1), self_classes=[1, 3]))
    labels = unlabelled()
    labels[:, :, :8] = 0
    losses, _ = train_step(model, labels)
    assert losses['decode.filled_self'].item() == pytest.approx(1 - 8 / 64)


def test_self_training_gives_the_students_own_best_class():
    model = build_student(labelling=dict(self_train=(1, -1), self_classes=[1, 3]))
    labels, image = unlabelled(1), torch.randn(1, 3, 64, 64)
    features = model.decode_head.features(model.extract_feat(image)).detach()
    model.iteration = 1
    completed, _ = model.label_unlabelled(labels[:, 0], image, [{}], features)
    scores = F.interpolate(model.decode_head.classify(features)[:, [1, 3]], size=(64, 64),
                           mode='bilinear')
    expected = torch.tensor([1, 3])[scores.argmax(1)]
    assert (completed == expected).float().mean() > 0.999


def test_leaking_label_is_refused_with_its_file():
    model = build_student(labelling=dict(clip_guided=(1, -1), clip_classes=[4]))
    labels = torch.zeros(2, 1, 64, 64, dtype=torch.long)
    labels[1, 0, 3, 3] = 4
    with pytest.raises(InputError, match=r'1\.jpg has labels of classes \[4\]'):
        train_step(model, labels)


def test_background_is_learned_and_comes_first():
    model = build_student(labelling=dict(clip_guided=(1, -1), clip_classes=[4, 5]),
                   num_classes=CLASSES + 1, cls_bg=True)
    labels = unlabelled()
    labels[:, :, :32] = 0
    losses, _ = train_step(model, labels)
    losses['decode.loss_ce'].backward()
    assert model.decode_head.bg_embeddings.grad.abs().sum() > 0
    features = torch.zeros(1, 16, 1, 1)
    features[0, :, 0, 0] = F.normalize(model.decode_head.bg_embeddings.detach(), dim=1)[0]
    scores = model.decode_head.classify(features)[0, :, 0, 0].detach()
    assert scores.shape == (CLASSES + 1,) and scores[0] == pytest.approx(1, abs=1e-5)


def test_features_are_normalised_only_if_asked():
    features = torch.randn(1, 16, 2, 2)
    plain, cosine = build_student().decode_head, build_student(norm_feat=True).decode_head
    torch.testing.assert_close(plain.classify(2 * features), 2 * plain.classify(features))
    torch.testing.assert_close(cosine.classify(2 * features), cosine.classify(features))


def _named(vocabulary):
    config = teacher_config()
    config['decode_head']['vocabulary'] = vocabulary
    return config


def test_own_words_for_the_same_classes_are_fine():
    check_order(['cat', 'dog', 'cow', 'bat', 'aeroplane'], ['cat', 'dog', 'cow', 'bat', 'airplane'])


@cases('make, words', [
    (lambda: build_student(labelling=dict(clip_guided=(1, -1), clip_classes=[9])),
     r'clip_classes is \[9\]'),
    (lambda: build_student(model=dict(teacher_precision='half')), "teacher_precision is 'half'"),
    (lambda: build_student(labelling=dict(clip_guided=(1, -1), clip_classes=['cow'])),
     r"clip_classes is \['cow'\]"),
    (lambda: build_student(labelling=dict(clip_guided=1)), 'clip_guided is 1, expected two whole'),
    (lambda: build_student(labelling=dict(self_train=(1, 2, 3))), r'self_train is \(1, 2, 3\)'),
    (lambda: build_student(labelling=dict(clip_guided=(1, -1), conf_thresh='high')),
     "conf_thresh is 'high'"),
    (lambda: build_student(labelling=dict(clip_guided=(1, -1)), num_classes=256,
                           teacher=teacher_config(256)), '256 classes, at most 255'),
    (lambda: build_student(vocabulary=['cat', 'dog', 'cow', 'bat', 'rat'], teacher=_named(
        ['dog', 'cat', 'cow', 'bat', 'rat'])).init_weights(),
     "class 0 is 'cat' .* 'dog'"),
    (lambda: build_student(decoder=dict(type='OCRHead', in_channels=64, ocr_channels=8)),
     'OCRHead does not end in'),
    (lambda: build_student(decoder=dict(type='PointHead', in_channels=[64], in_index=[3])),
     'PointHead does not end in'),
    (lambda: build_student(decoder=dict(type='EncHead', in_channels=64, in_index=3)),
     'EncHead of mmseg refuses'),
    (lambda: train_step(build_student(decoder=dict(
        type='DAHead', in_channels=64, in_index=3, pam_channels=4)), unlabelled()),
     'DAHead returns tuple, expected'),
    (lambda: build_student(labelling=dict(clip_guided=(0, 5))), 'counted from 1'),
    (lambda: build_student(labelling=dict(clip_guided=(9, 5))), 'from iteration 9 to 5'),
    (lambda: build_student(teacher=teacher_config(3)), 'the teacher has 3 classes'),
    (lambda: build_student(num_classes=CLASSES + 1, cls_bg=True), 'class 0, the background'),
    (lambda: build_student(decoder=dict(type='ASPPHeadV2', in_channels=64, in_index=3, channels=8)),
     'channels=8'),
    (lambda: build_student().init_weights(), 'clip_checkpoint'),
    (lambda: build_student(labelling=dict(), teacher=False).init_weights(),
     'text_embeddings_path'),
])
def test_bad_input_is_one_sentence(make, words):
    with pytest.raises(InputError, match=words):
        make()
