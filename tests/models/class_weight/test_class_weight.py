"""The class weight in both methods: formulas, whole images, caching, checkpoints."""

import io
import os
from dataclasses import replace
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmcv import Config
from mmcv.runner import build_optimizer
from PIL import Image

from mmseg_maskclip.clip import TextBank, get_spec
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.models.class_weight import image_classifier
from mmseg_maskclip.models.class_weight.build import build_class_weight
from mmseg_maskclip.models.class_weight.settings import ClassWeightSettings
from mmseg_maskclip.models.segmentors import maskclip_plus
from mmseg_maskclip.models.weights import clip as weights_clip
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.tinyworld import CLASSES
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.students import DECODERS, NORM

ROOT = Path(__file__).parents[3]
WEIGHTS = get_spec('TinyRN').weights
NORM_CFG = dict(mean=np.array([123.675, 116.28, 103.53], np.float32),
                std=np.array([58.395, 57.12, 57.375], np.float32), to_rgb=True)


@pytest.fixture(scope='module')
def files(tiny_world):
    return [str(path) for path in sorted((tiny_world / 'JPEGImages').glob('val_*.jpg'))[:2]]


def _maskclip(inference='whole', **weight):
    config = dict(
        type='MaskClip', backbone=dict(type='ClipResNet', arch='TinyRN', fidelity='clip'),
        decode_head=dict(type='MaskClipHead', num_classes=14, text_channels=128,
                         vocabulary=list(CLASSES)),
        test_cfg=dict(mode=inference, crop_size=(128, 128), stride=(96, 96)))
    if weight:
        config['class_weight'] = dict(dict(classifier='TinyRN'), **weight)
    model = build_model(Config(dict(model=config)))
    load_weights(model, WEIGHTS)
    return model.eval()


def _maskclip_of(weight):
    return build_model(Config(dict(model=dict(
        type='MaskClip', backbone=dict(type='ClipResNet', arch='TinyRN', fidelity='clip'),
        decode_head=dict(type='MaskClipHead', num_classes=14, text_channels=128),
        class_weight=weight, test_cfg=dict(mode='whole')))))


def _student(num_classes=14, cls_bg=False, labelling=None, **weight):
    backbone, decoder = DECODERS['deeplabv2']
    teacher = dict(
        type='MaskClip', clip_checkpoint=WEIGHTS, test_cfg=dict(mode='whole'),
        backbone=dict(type='ClipResNet', arch='TinyRN', fidelity='clip'),
        decode_head=dict(type='MaskClipHead', num_classes=14, text_channels=128,
                         vocabulary=list(CLASSES)))
    config = dict(
        type='MaskClipPlus', backbone=backbone, teacher=teacher,
        decode_head=dict(type='MaskClipPlusHead', decoder=decoder, num_classes=num_classes,
                         text_channels=128, cls_bg=cls_bg, norm_cfg=NORM, dropout_ratio=0,
                         vocabulary=list(CLASSES)),
        labelling=labelling if labelling is not None else dict(clip_guided=(1, -1)),
        train_cfg=dict(), test_cfg=dict(mode='whole'))
    if weight:
        config['class_weight'] = dict(dict(classifier='TinyRN'), **weight)
    torch.manual_seed(0)
    model = build_model(Config(dict(model=config)), training=True)
    model.init_weights()
    model.iteration = 1
    return model.train()


def _inputs(files, flip=False):
    """Network inputs of whole images with their metas, as the test pipeline makes them."""
    images, metas = [], []
    for path in files:
        pixels = np.asarray(Image.open(path).convert('RGB'), np.float32)
        image = torch.from_numpy((pixels - NORM_CFG['mean']) / NORM_CFG['std']).permute(2, 0, 1)
        images.append(image.flip(2) if flip else image)
        metas.append(dict(filename=path, ori_shape=pixels.shape, img_shape=pixels.shape, flip=flip,
                          flip_direction='horizontal', img_norm_cfg=NORM_CFG))
    return torch.stack(images), metas


@pytest.mark.parametrize('mode', ['softmax', 'gate', 'log_prior'])
@torch.no_grad()
def test_scores_are_what_the_formula_says(mode, files):
    weighted, plain = _maskclip(mode=mode, tau=0.25, cw=1.3, threshold=0.3), _maskclip()
    images, metas = _inputs(files)
    cosines = weighted.prior_of(images, metas)
    scores = plain.score_grid(images, metas)
    p = (cosines / 0.25).softmax(1)[:, :, None, None]
    expected = {'softmax': scores * 14 * p,
                'gate': scores * torch.where(cosines > 0.3, 1.3, 1.0)[:, :, None, None],
                'log_prior': scores + (14 * p).log() / 100}[mode]
    found = weighted.score_grid(images, metas, cosines)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, scores, atol=1e-3)
    assert (cosines > 0.3).any() and not (cosines > 0.3).all()


@torch.no_grad()
def test_prior_is_clips_own_answer_to_the_picture(files):
    """The classifier's cosines, from open_clip's formula on its own preprocessing."""
    import open_clip
    model = _maskclip(tau=1.0)
    spec = model.backbone.spec
    transform = open_clip.image_transform(spec.image_size, is_train=False, mean=spec.mean,
                                          std=spec.std)
    pixels = torch.stack([transform(Image.open(path)) for path in files])
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (spec.mean, spec.std))
    images = ((pixels * std + mean) * 255 - torch.tensor(NORM_CFG['mean']).view(3, 1, 1)) \
        / torch.tensor(NORM_CFG['std']).view(3, 1, 1)
    embeddings = F.normalize(model.backbone.encode_image(images), dim=1)
    expected = embeddings @ model.class_weight.classifier.text_features.T
    found = model.prior_of(*_inputs(files))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_prior_belongs_to_the_image_not_to_flip_crop_or_window(files, monkeypatch):
    model = _maskclip(tau=0.25)
    images, metas = _inputs(files)
    whole = model.prior_of(images, metas)
    assert torch.equal(model.prior_of(*_inputs(files, flip=True)), whole)
    cropped = [dict(meta, img_shape=(64, 80, 3)) for meta in metas]
    assert torch.equal(model.prior_of(images[:, :, :64, :80], cropped), whole)
    sliding = _maskclip('slide', tau=0.25)
    seen = []
    score = sliding.score_grid
    monkeypatch.setattr(sliding, 'score_grid', lambda img, metas, prior=None, token=None: (
        seen.append(prior), score(img, metas, prior, token))[1])
    sliding.simple_test(images, metas)
    assert len(seen) == 9 and all(torch.equal(prior, whole) for prior in seen)


@torch.no_grad()
def test_images_without_a_file_are_read_from_the_input(files):
    """Undone normalisation, padding and flip: the file's own answer."""
    model = _maskclip(tau=0.25)
    by_file = model.prior_of(*_inputs(files))
    for flip in (False, True):
        images, metas = _inputs(files, flip)
        bare = [dict(meta, filename=None) for meta in metas]
        assert torch.equal(model.prior_of(images, bare), by_file)
        padded = F.pad(images, (0, 32, 0, 16))
        assert torch.equal(model.prior_of(padded, bare), by_file)
    assert torch.equal(_maskclip(tau=0.25, source='input').prior_of(images, metas),
                       model.prior_of(images, bare))


def test_arrays_go_through_mmsegs_own_inference(files):
    """``inference_segmentor`` on an array, which has no file, and on the file."""
    from mmseg.apis import inference_segmentor

    from mmseg_maskclip.engine.config import load_config
    model = _maskclip(mode='log_prior', tau=0.1)
    model.cfg = load_config(str(ROOT / 'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py'))
    array = np.asarray(Image.open(files[0]).convert('RGB'))[:, :, ::-1].copy()
    by_file, by_array = (inference_segmentor(model, one)[0] for one in (files[0], array))
    assert (by_file == by_array).mean() > 0.99


@torch.no_grad()
def test_class_token_costs_no_second_forward(files, monkeypatch):
    model = _maskclip(tau=0.25, source='class_token')
    images, metas = _inputs(files)
    expected = model.class_weight.classifier.cosines(model.backbone.encode_image(images))
    monkeypatch.setattr(model.backbone, 'encode_image', None)
    assert model.prior_of(images, metas) is None
    plain = _maskclip().score_grid(images, metas)
    found = model.score_grid(images, metas)
    torch.testing.assert_close(found, plain * 14 * (expected / 0.25).softmax(1)[:, :, None, None])
    monkeypatch.undo()
    # A window has a token of its own, so sliding reads the whole input instead.
    sliding = _maskclip('slide', tau=0.25, source='class_token')
    torch.testing.assert_close(sliding.prior_of(images, metas), expected)


@pytest.mark.parametrize(('arch', 'kind', 'image'), [('TinyRN', 'ClipResNet', 128),
                                                     ('TinyViT', 'ClipViT', 128)])
@torch.no_grad()
def test_dense_forward_gives_encode_images_embedding_by_the_way(arch, kind, image):
    model = build_model(Config(dict(model=dict(
        type='MaskClip', backbone=dict(type=kind, arch=arch, fidelity='clip'),
        decode_head=dict(type='MaskClipHead', num_classes=14, text_channels=128),
        test_cfg=dict(mode='whole')))))
    picture = torch.randn(2, 3, image, image + 32)
    dense = model.backbone.dense(picture, image=True)
    torch.testing.assert_close(dense.image, model.backbone.encode_image(picture))
    assert model.backbone.dense(picture).image is None


@torch.no_grad()
def test_cached_equals_uncached_and_each_file_is_read_once(files, tmp_path, monkeypatch):
    cached = _maskclip(tau=0.25, cache_dir=str(tmp_path))
    images, metas = _inputs(files)
    first = cached.prior_of(images, metas)
    one_by_one = torch.cat([_maskclip(tau=0.25).prior_of(images[i:i + 1], metas[i:i + 1])
                            for i in range(2)])
    assert torch.equal(first, one_by_one)
    assert torch.equal(_maskclip(tau=0.25, cache_size=0).prior_of(images, metas), first)
    monkeypatch.setattr(cached.class_weight.classifier, 'encode', None)
    assert torch.equal(cached.prior_of(images, metas), first)
    # On disk it outlives the model.
    again = _maskclip(tau=0.25, cache_dir=str(tmp_path))
    monkeypatch.setattr(again.class_weight.classifier, 'encode', None)
    assert torch.equal(again.prior_of(images, metas), first)


@torch.no_grad()
def test_cache_on_disk_belongs_to_the_weights(files, tmp_path):
    """A shared tower may come from another file than the one the classifier would read."""
    images, metas = _inputs(files)
    first = _maskclip(tau=0.25, cache_dir=str(tmp_path / 'cache')).prior_of(images, metas)
    changed = _maskclip().state_dict()
    changed['backbone.layer4.0.conv1.weight'] = 2 * changed['backbone.layer4.0.conv1.weight']
    torch.save({'state_dict': changed, 'meta': None}, tmp_path / 'other.pth')
    found = []
    for folder in (None, str(tmp_path / 'cache')):
        model = _maskclip_of(dict(classifier='TinyRN', tau=0.25, cache_dir=folder,
                                  vocabulary=list(CLASSES)))
        load_weights(model, str(tmp_path / 'other.pth'))
        found.append(model.eval().prior_of(images, metas))
    assert torch.equal(*found) and not torch.allclose(found[0], first, atol=1e-3)


@torch.no_grad()
def test_changed_file_is_read_again(files, tmp_path):
    model = _maskclip(tau=0.25)
    path = tmp_path / 'image.png'
    Image.open(files[0]).save(path)
    first = model.class_weight.classifier.of_files([str(path)])
    Image.open(files[1]).save(path)
    os.utime(path, ns=(5, 5))
    assert not torch.equal(model.class_weight.classifier.of_files([str(path)]), first)


def test_same_clip_is_shared_and_another_one_is_not():
    shared = _maskclip(tau=1.0)
    assert shared.class_weight.classifier.tower is shared.backbone
    assert shared.class_weight.classifier.own is None
    paper = build_model(Config(dict(model=dict(
        type='MaskClip', backbone=dict(type='ClipResNet', arch='TinyRN', fidelity='paper'),
        decode_head=dict(type='MaskClipHead', num_classes=14, text_channels=128,
                         vocabulary=list(CLASSES)),
        class_weight=dict(classifier='TinyViT'), test_cfg=dict(mode='whole')))))
    load_weights(paper, WEIGHTS)
    classifier = paper.class_weight.classifier
    assert classifier.tower.spec.name == 'TinyViT' and classifier.tower.fidelity == 'clip'
    # Paper fidelity keeps the mean over prompts as it is, clip brings it to unit length.
    assert (classifier.text_features.norm(dim=1) < 0.9999).all()
    norms = shared.class_weight.classifier.text_features.norm(dim=1)
    torch.testing.assert_close(norms, torch.ones(14))


def test_no_optimizer_checkpoint_or_cast_sees_the_classifier(files):
    model = _student(tau=1.0, classifier='TinyViT')
    own = {id(value) for value in model.class_weight.parameters()}
    assert own and not own & {id(value) for value in model.parameters()}
    assert not any(value.requires_grad for value in model.class_weight.parameters())
    optimizer = build_optimizer(model, dict(type='SGD', lr=0.1))
    assert not own & {id(p) for group in optimizer.param_groups for p in group['params']}
    assert model.state_dict().keys() == _student().state_dict().keys()
    before = model.prior_of(None, _inputs(files)[1])
    model.class_weight.classifier.open_cache()
    assert torch.equal(model.half().prior_of(None, _inputs(files)[1]), before)


@pytest.mark.parametrize(('first', 'second'), [({}, dict(tau=0.25)), (dict(tau=0.25), {})])
def test_checkpoints_go_both_ways(first, second, tmp_path):
    trained = _student(**first)
    torch.save({'state_dict': trained.state_dict(), 'meta': {}}, tmp_path / 'student.pth')
    config = Config(dict(model=dict(_config_of(second))))
    model = build_model(config)
    load_weights(model, str(tmp_path / 'student.pth'))
    assert all(torch.equal(value, trained.state_dict()[key])
               for key, value in model.state_dict().items())
    assert (model.class_weight is None) == (not second)


def _config_of(weight):
    backbone, decoder = DECODERS['deeplabv2']
    config = dict(type='MaskClipPlus', backbone=backbone, test_cfg=dict(mode='whole'),
                  decode_head=dict(type='MaskClipPlusHead', decoder=decoder, num_classes=14,
                                   text_channels=128, norm_cfg=NORM, vocabulary=list(CLASSES)))
    return {**config, 'class_weight': dict(classifier='TinyRN', **weight)} if weight else config


def test_students_classifier_is_the_teachers_tower_of_the_same_file():
    shared = _student(tau=1.0)
    assert shared.class_weight.classifier.tower is shared.teacher.backbone
    other = _student(tau=1.0, classifier='TinyViT').class_weight.classifier
    assert other.tower.spec.name == 'TinyViT' and other.own is not None


def test_seed_gives_the_same_student_with_and_without():
    plain, weighted = _student(), _student(classifier='TinyViT')
    for key, value in plain.state_dict().items():
        assert torch.equal(value, weighted.state_dict()[key]), key


def test_texts_are_the_same_in_training_and_testing_whoever_labels():
    """Fidelity is the teacher's even where it is not built, or left out for testing."""
    norms = []
    for labelling in (dict(clip_guided=(1, -1)), dict(self_train=(1, -1))):
        model = _student(tau=1.0, labelling=labelling)
        norms.append(model.class_weight.classifier.text_features.norm(dim=1))
    config = Config(dict(model=_config_of(dict(tau=1.0))))
    config.model.teacher = dict(backbone=dict(arch='TinyRN', fidelity='clip'),
                                clip_checkpoint='somewhere.pth')
    testing = build_model(config).class_weight
    assert testing.settings.renormalise and testing.settings.clip_checkpoint == 'somewhere.pth'
    for norm in norms:
        torch.testing.assert_close(norm, torch.ones(14))


def test_testing_a_student_of_weighted_labels_needs_no_classifier(tmp_path):
    torch.save({'state_dict': _student().state_dict(), 'meta': {}}, tmp_path / 'student.pth')
    config = Config(dict(model=_config_of(dict(on='teacher', clip_checkpoint='nowhere.pt'))))
    model = build_model(config)
    load_weights(model, str(tmp_path / 'student.pth'))
    assert model.class_weight is None


def test_prepared_texts_are_renormalised_only_if_asked(tmp_path):
    features = TextBank(torch.full((14, 128), 0.01), tuple(CLASSES), normalized=False)
    features.save(tmp_path / 'features.pth')
    for renormalise, length in ((False, 0.1131), (True, 1.0), (None, 1.0)):
        model = _maskclip(renormalise=renormalise,
                          text_features_path=str(tmp_path / 'features.pth'))
        norm = model.class_weight.classifier.text_features.norm(dim=1)
        torch.testing.assert_close(norm, torch.full((14,), length), atol=1e-4, rtol=0)


def test_picture_is_read_as_the_pipeline_reads_it(tmp_path):
    """A camera's orientation is followed, 16 bits are scaled."""
    import mmcv
    rng = np.random.default_rng(0)
    turned = Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / 'turned.jpg', exif=exif, quality=100)
    deep = rng.integers(0, 65536, (40, 60), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / 'deep.png')
    for name in ('turned.jpg', 'deep.png'):
        expected = mmcv.imread(str(tmp_path / name), channel_order='rgb').astype(int)
        found = np.asarray(image_classifier._read(str(tmp_path / name))).astype(int)
        assert found.shape == expected.shape
        assert np.abs(found - expected).max() <= 2


@pytest.mark.parametrize('on', ['student', 'teacher', 'both'])
def test_student_and_teacher_are_weighted_as_asked(on, files, monkeypatch):
    images, metas = _inputs(files)
    model, plain = _student(tau=0.25, on=on), _student()
    labels = torch.full((2, 256, 256), -1)
    prior = model.prior_of(None, metas)
    with torch.no_grad():
        scores = plain.decode_head(plain.extract_feat(images))
    weights = 14 * (prior / 0.25).softmax(1)[:, :, None, None]
    expected = scores * weights if on in ('student', 'both') else scores
    torch.testing.assert_close(model.weigh(scores, prior), expected)
    given = {}
    for name, one in (('weighted', model), ('plain', plain)):
        given[name], _ = one.label_unlabelled(labels, images, metas, None, None,
                                      prior if one is model else None)
    assert torch.equal(given['weighted'], given['plain']) == (on == 'student')


def test_training_and_testing_use_the_same_weights(files):
    images, metas = _inputs(files)
    model = _student(tau=0.25, on='student')
    labels = torch.randint(0, 14, (2, 1, 256, 256))
    model.labeller.unlabelled_classes = ()
    model.labeller.clip_guided = type(model.labeller.clip_guided)(-1, -1)
    loss = model.forward_train(images, metas, labels)['decode.loss_ce']
    with torch.no_grad():
        scores = model.score_grid(images, metas, model.prior_of(None, metas))
    resized = F.interpolate(scores, size=(256, 256), mode='bilinear', align_corners=False)
    torch.testing.assert_close(loss, F.cross_entropy(resized, labels[:, 0]))


def test_background_has_no_prior(files):
    model = _student(num_classes=15, cls_bg=True, tau=0.25,
                     labelling=dict(clip_guided=(1, -1), clip_classes=list(range(1, 15))))
    scores = torch.randn(2, 15, 3, 3)
    for mode in ('softmax', 'log_prior'):
        model.class_weight.settings = replace(model.class_weight.settings, mode=mode)
        prior = model.prior_of(None, _inputs(files)[1])
        assert prior.shape == (2, 14)
        weighted = model.weigh(scores, prior)
        assert torch.equal(weighted[:, 0], scores[:, 0])
        assert not torch.allclose(weighted[:, 1:], scores[:, 1:])


def _weight(**settings):
    return build_class_weight(ClassWeightSettings(classifier='TinyRN', **settings), 5, None)


@cases('make, words', [
    (lambda: _weight(mode='hard'), "class_weight.mode is 'hard'"),
    (lambda: _weight(on='nobody'), "class_weight.on is 'nobody'"),
    (lambda: _weight(tau=0), 'class_weight.tau is 0, expected a number above 0'),
    (lambda: _weight(tau=None), 'model.class_weight=None switches it off'),
    (lambda: _weight(source='class_token'), "which MaskCLIP.* does not have: use 'file'"),
    (lambda: _weight(tau=True), 'class_weight.tau is True'),
    (lambda: _weight(threshold='high'), "class_weight.threshold is 'high', expected a number"),
    (lambda: _student(source='input'), "class_weight.source is 'input', which in training is a"),
    (lambda: _student(on='both', labelling=dict(self_train=(1, -1))), 'the teacher never labels'),
    (lambda: _maskclip(source='class_token', classifier='TinyViT'), 'set it to None'),
    (lambda: _weight().classifier.set_text(TextBank(torch.full((5, 128), float('nan')),
                                                    tuple('abcde'))), 'NaN or infinity'),
    (lambda: _maskclip(tau=1.0).class_weight.of_images([{}], torch.ones(1, 3, 8, 8)),
     "neither 'filename' nor 'img_norm_cfg'"),
    (lambda: _maskclip_of(dict(classifier='RN51')), "unknown CLIP model 'RN51'"),
    (lambda: _student(tau=1.0).prior_of(None, [{}]), 'not training crops'),
    (lambda: _weight().classifier.cosines(torch.ones(1, 128)), 'has no text embeddings yet'),
    (lambda: _weight().classifier.set_text(TextBank(torch.ones(4, 128), tuple('abcd'))),
     'expected one for each of 5 classes'),
    (lambda: _maskclip_of('softmax'), "class_weight is 'softmax', expected a dict"),
    (lambda: _maskclip_of(dict(tau=1.0, tower=3)), "a key 'tower', expected some of mode"),
    (lambda: _maskclip_of(dict(classifier=3)), 'class_weight.classifier is 3, expected the name'),
    (lambda: _maskclip_of(dict(cache_dir=3)), 'class_weight.cache_dir is 3, expected a folder'),
    (lambda: _maskclip_of(dict(templates=3)),
     'class_weight.templates is 3, expected a name, a file or'),
    (lambda: _maskclip_of(dict(renormalise='no')), "class_weight.renormalise is 'no', expected T"),
    (lambda: _student(labelling=dict(), on='teacher'), 'the teacher never labels'),
    (lambda: _weight().of_images([{'filename': 's3://bucket/a.jpg'}], None),
     's3://bucket/a.jpg of the class weight is not a local file'),
    (lambda: _maskclip(tau=1.0, clip_checkpoint='nowhere.pt'), 'nowhere.pt does not exist'),
    (lambda: _maskclip(tau=1.0, text_features_path='nowhere.pth'), 'nowhere.pth does not exist'),
])
def test_bad_input_is_one_sentence(make, words):
    with pytest.raises(InputError, match=words):
        make()


@cases('weight, words', [
    (dict(text_features_path='nowhere.npy'), 'nowhere.npy does not exist'),
    (dict(text_features_path='short.npy'), r'shape \(5, 128\), expected \(14, 128\)'),
    (dict(clip_checkpoint='nowhere.pt'), 'nowhere.pt does not exist'),
    (dict(classifier='ViT-B/16'), 'reads images with CLIP model ViT-B/16: .*ViT-B-16.pt')])
def test_its_files_are_checked_before_prompts_are_encoded(weight, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save('short.npy', np.ones((5, 128), np.float32))
    encoded = []
    for module in (weights_clip, maskclip_plus):
        monkeypatch.setattr(module, 'load_text', lambda *args: encoded.append(args))
    for make in (_maskclip, _student):
        with pytest.raises(InputError, match=words):
            make(**weight)
    assert encoded == []


def _stops_pil_alone(content):
    try:
        Image.open(io.BytesIO(content)).convert('RGB')
    except OSError:
        return mmcv.imfrombytes(content) is not None
    return False


def test_picture_that_the_pipeline_reads_is_read(files, tmp_path):
    """Some damage stops PIL, which CLIP's preparation begins with, but not OpenCV."""
    path, whole = tmp_path / 'damaged.jpg', Path(files[0]).read_bytes()
    path.write_bytes(next(filter(_stops_pil_alone, (
        whole[:at] + bytes([byte]) + whole[at + 1:]
        for at in range(len(whole) // 2, len(whole), 7) for byte in (0, 128, 255)))))
    damaged, sound = (_maskclip(tau=1.0).class_weight.classifier.of_files([str(one)])
                      for one in (path, files[0]))
    assert F.cosine_similarity(damaged, sound) > 0.5


def test_unreadable_picture_is_named(tmp_path):
    path = tmp_path / 'broken.jpg'
    for content in (b'no picture', b''):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r'broken\.jpg of the class weight cannot be read'):
            _maskclip(tau=1.0).class_weight.classifier.of_files([str(path)])
