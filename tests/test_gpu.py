"""What needs a CUDA device: left out where there is none."""

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.models.weights.load import load_weights

pytestmark = pytest.mark.gpu
META = dict(img_shape=(100, 140, 3), ori_shape=(100, 140, 3), flip=False)
WORDS = ['sky; clouds', 'ladybird', 'bricks', 'strawberry', 'giraffe']
OTHERS = ['bricks', 'tiger']


@pytest.fixture
def without_tf32(monkeypatch):
    """Convolutions in single precision, as on the CPU; cuDNN rounds their inputs by default."""
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)


@pytest.fixture(params=['TinyRN', 'TinyViT'])
def model(request):
    from mmseg_maskclip.clip import get_spec
    from mmseg_maskclip.tinyworld import CLASSES
    kind = {'TinyRN': 'ClipResNet', 'TinyViT': 'ClipViT'}[request.param]
    built = build_model(Config(dict(model=dict(
        type='MaskClip', backbone=dict(type=kind, arch=request.param, fidelity='clip'),
        decode_head=dict(type='MaskClipHead', text_channels=128, num_classes=14,
                         vocabulary=list(CLASSES), ks_thresh=1.0, pd_thresh=0.3),
        test_cfg=dict(mode='whole')))))
    load_weights(built, get_spec(request.param).weights)
    return built.eval()


@torch.no_grad()
def test_labels_equal_the_cpus(model):
    image = torch.randn(1, 3, 100, 140)
    expected = model.simple_test(image, [META])[0]
    assert (model.cuda().simple_test(image.cuda(), [META])[0] == expected).mean() > 0.99


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_half_precision_agrees(model, dtype):
    image = torch.randn(1, 3, 100, 140)
    expected = model.simple_test(image, [META])[0]
    model = model.cuda()
    with torch.autocast('cuda', dtype=dtype):
        assert (model.simple_test(image.cuda(), [META])[0] == expected).mean() > 0.9
    cast = model.to(dtype).simple_test(image.cuda(), [META])[0]
    assert (cast == expected).mean() > 0.9


@torch.no_grad()
def test_resized_positions_follow_the_device(model):
    image = torch.randn(1, 3, 96, 160)
    first = model.backbone.dense(image).features
    second = model.cuda().backbone.dense(image.cuda()).features
    torch.testing.assert_close(second.cpu(), first, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize('dtype', [None, torch.bfloat16, torch.float16])
def test_training_step_equals_the_cpus(dtype):
    """Pseudo labels, distillation and their gradients, also under autocast."""
    from helpers.students import DECODERS, build_student, train_step, unlabelled
    decoder = dict(DECODERS['deeplabv2'][1], act_cfg=None)
    model = build_student(model=dict(distill=dict()), decoder=decoder)
    expected, image = train_step(model, unlabelled())
    model = model.cuda()
    metas = [dict(filename=f'{index}.jpg') for index in range(2)]
    with torch.autocast('cuda', dtype=dtype or torch.float16, enabled=dtype is not None):
        losses = model.forward_train(image.cuda(), metas, unlabelled().cuda())
    for name in ('decode.loss_ce', 'decode.loss_distill'):
        found = losses[name].item()
        assert found == pytest.approx(expected[name].item(), rel=1e-3 if dtype is None else 5e-2)
    (losses['decode.loss_ce'] + losses['decode.loss_distill']).backward()
    assert all(value.grad.isfinite().all() for value in model.parameters()
               if value.grad is not None)


@torch.no_grad()
def test_class_weight_equals_the_cpus(model, tiny_world):
    from mmseg_maskclip.models.class_weight.build import build_class_weight
    from mmseg_maskclip.models.class_weight.settings import ClassWeightSettings
    from mmseg_maskclip.models.weights.clip import load_class_weight
    settings = ClassWeightSettings(classifier='TinyRN', renormalise=True)
    weight = build_class_weight(settings, 14, None)
    load_class_weight(weight, model.decode_head)
    files = [str(path) for path in sorted((tiny_world / 'JPEGImages').glob('val_*.jpg'))[:3]]
    expected = weight.classifier.of_files(files)
    weight.classifier.open_cache()
    found = weight.cuda().classifier.of_files(files)
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=5e-3)


def test_fp16_of_a_config_trains_with_its_scale(tiny_world, tmp_path):
    from mmseg_maskclip.engine.config import load_config
    from mmseg_maskclip.engine.train.train import TrainOptions, train_model

    from helpers.training import write_training_config
    config = load_config(write_training_config(tmp_path / 'config.py', tiny_world, 2),
                         {'fp16': dict(loss_scale=128.), 'evaluation': None})
    train_model(config, TrainOptions(str(tmp_path), seed=0))
    content = torch.load(tmp_path / 'iter_2.pth', weights_only=True)
    assert content['meta']['amp'] == 'fp16'
    assert content['stateful']['scaler']['scale'] == 128.


@pytest.mark.parametrize('name', ['TinyRN', 'TinyViT8'])
def test_predictions_equal_the_cpus(name, without_tf32, tmp_path, monkeypatch):
    """Also of other words on a picture that was read; words are embedded where the model is."""
    from mmseg_maskclip import load
    from mmseg_maskclip.tinyworld.scenes import scene
    picture, found = scene(0, 0).image, []
    for device in ('cpu', 'cuda'):
        # Each embeds its words itself.
        monkeypatch.setenv('MASKCLIP_CACHE', str(tmp_path / device))
        model = load(name, device=device)
        read = model.encode(picture)
        assert read.views[0].encoded.img.device.type == device
        segmentations = [model.predict(picture, WORDS), read.classify(OTHERS, threshold=0.5)]
        found.append([(one, one.scores, one.masks()) for one in segmentations])
    for (expected, scores, masks), (one, own_scores, own_masks) in zip(*found):
        assert one.names == expected.names and len(np.unique(expected.labels)) > 1
        assert (one.labels == expected.labels).mean() > 0.999
        assert all((own_masks[word] == mask).mean() > 0.999 for word, mask in masks.items())
        np.testing.assert_allclose(own_scores, scores, rtol=0, atol=5e-3)
        assert one.presence == pytest.approx(expected.presence, abs=5e-3)


def test_files_are_labelled_on_the_gpu(without_tf32, call_tool, tmp_path):
    from mmseg_maskclip import load
    from mmseg_maskclip.tinyworld.scenes import scene
    folder, out = tmp_path / 'pictures', tmp_path / 'out'
    folder.mkdir()
    for index in range(3):
        Image.fromarray(scene(0, index).image).save(folder / f'{index}.png')
    done = call_tool('tools/predict.py', folder, '--model', 'TinyRN', '--device', 'cuda',
                     '--batch-size', 2, '--out', out, '--classes', *WORDS)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('3 pictures: 3 labelled')
    model = load('TinyRN', device='cpu')
    for index, expected in enumerate(model.predict_many(folder, WORDS, progress=False)):
        labels = np.array(Image.open(out / 'annotations' / f'{index}.png'))
        assert (labels == expected.labels).mean() > 0.999
