import pytest
import torch

from mmseg_maskclip.utils import InputError

from helpers.students import DECODERS, build_student, train_step, unlabelled

OFF = dict(clip_guided=(-1, -1))


def test_features_follow_the_teachers():
    """The official loss had no gradient; this one falls by half with the published SGD."""
    decoder = dict(DECODERS['deeplabv2'][1], act_cfg=None)
    model = build_student(labelling=OFF, model=dict(distill=dict()), decoder=decoder)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    seen = []
    for _ in range(60):
        losses, _ = train_step(model, unlabelled())
        assert losses['decode.loss_ce'] == 0
        optimizer.zero_grad()
        losses['decode.loss_distill'].backward()
        assert model.backbone.layer1[0].conv1.weight.grad.abs().sum() > 0
        optimizer.step()
        seen.append(losses['decode.loss_distill'].item())
    assert seen[-1] < 0.5 * seen[0]
    assert all(value.grad is None for value in model.teacher.parameters())


def test_weight_and_mask():
    labels = unlabelled()
    labels[:, :, :32] = 1
    labels[:, :, 48:] = 255
    one = _distance(labels, loss_weight=1.0)
    assert _distance(labels, loss_weight=3.0) == pytest.approx(3 * one, rel=1e-5)
    assert _distance(labels, loss_weight=1.0, labelled=False) != pytest.approx(one, rel=1e-4)
    ignored = torch.full_like(labels, 255)
    assert _distance(ignored, loss_weight=1.0) == 0


def _distance(labels, **distill):
    losses, _ = train_step(build_student(labelling=OFF, model=dict(distill=distill)), labels)
    return losses['decode.loss_distill'].item()


def test_goes_together_with_pseudo_labels():
    model = build_student(labelling=dict(clip_guided=(1, -1)), model=dict(distill=dict()))
    losses, _ = train_step(model, unlabelled())
    assert losses['decode.filled_clip'] == 1 and losses['decode.loss_ce'] > 0
    assert losses['decode.loss_distill'] > 0


def test_teacher_reads_the_image_once(monkeypatch):
    model = build_student(labelling=dict(clip_guided=(1, -1)), model=dict(distill=dict()))
    calls = []
    read = model.teacher.extract_feat
    monkeypatch.setattr(model.teacher, 'extract_feat',
                        lambda img, **whole: calls.append(1) or read(img, **whole))
    train_step(model, unlabelled())
    assert len(calls) == 1


def test_bad_settings():
    with pytest.raises(InputError, match=r'distill\.loss_weight is 0'):
        build_student(model=dict(distill=dict(loss_weight=0)))
    with pytest.raises(InputError, match='no teacher'):
        build_student(labelling=OFF, teacher=False, model=dict(distill=dict()))
    with pytest.raises(InputError, match='text_channels=16, the student 8'):
        build_student(text_channels=8)
