"""Any picture, any words, through the public functions."""

import copy
import json
import pickle

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

import mmseg_maskclip
from mmseg_maskclip import init_segmentor, load, load_config
from mmseg_maskclip.clip import build_text_bank, find_checkpoint, get_spec, read_clip_checkpoint
from mmseg_maskclip.clip.text import names as names_module
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.train.resume import describe_model
from mmseg_maskclip.models import ClipResNet
from mmseg_maskclip.tinyworld import CLASSES
from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.utils import InputError

WORDS = ['sky; clouds', 'ladybird', 'bricks', 'strawberry', 'giraffe']
STUDENT = 'tiny/maskclip_plus_tinyrn_deeplabv2_tiny_256x256_400_tinyworld.py'
ZEGCLIP = 'tiny/zegclip_tinyvit8_128x128_800_tinyworld.py'


@pytest.fixture(scope='module')
def model():
    return load('TinyRN', device='cpu')


@pytest.fixture(scope='module')
def picture():
    return scene(0, 0).image


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv('MASKCLIP_CACHE', str(tmp_path / 'cache'))


def test_labels_are_those_of_the_test_tool(model, picture, tmp_path):
    from mmseg.apis import inference_segmentor

    Image.fromarray(picture).save(tmp_path / 'a.png')
    config = load_config('tiny/maskclip_tinyrn_256x256_tinyworld.py')
    expected = inference_segmentor(init_segmentor(config, 'TinyRN', 'cpu'),
                                   str(tmp_path / 'a.png'))[0]
    found = model.predict(tmp_path / 'a.png', list(CLASSES), contrast=None)
    assert (found.labels == expected).mean() > 0.9999
    assert found.labels.dtype == np.uint8 and found.path == str(tmp_path / 'a.png')
    # A trained classifier of the world, by its scene's own labels.
    assert (found.labels == scene(0, 0).mask).mean() > 0.8


def test_a_result_says_what_is_where(model, picture):
    found = model.predict(picture, WORDS)
    areas = [(found.labels == index).sum() for index in range(len(WORDS))]
    assert found.names == ('sky', 'ladybird', 'bricks', 'strawberry', 'giraffe')
    assert list(found.areas.values()) == areas
    assert found.best_confidence['bricks'] == pytest.approx(
        found.confidence[found.mask('bricks')].max())
    scores = found.scores
    assert scores.shape == (5, *picture.shape[:2])
    np.testing.assert_allclose(scores.max(axis=0), found.confidence, atol=1e-6)
    with pytest.raises(InputError, match='no mask of .*expected one of sky'):
        found.mask('clouds')
    assert found._repr_png_()[:4] == b'\x89PNG'
    assert found.settings['words'] == list(found.names)
    assert found.settings['sha256'] and 'zebra' in found.settings['contrast']


def test_a_threshold_takes_pixels_away_and_gives_them_back(model, picture):
    sure = model.predict(picture, WORDS, threshold=0.9)
    unsure = (sure.confidence < 0.9) & (sure.rethreshold(0).labels != 255)
    assert unsure.any() and (sure.labels[unsure] == 255).all()
    some = sum(sure.areas.values())
    free = sure.rethreshold(0)
    assert np.array_equal(free.labels, model.predict(picture, WORDS).labels)
    assert sum(free.areas.values()) > some == (sure.labels != 255).sum()
    assert free.settings['threshold'] == 0 and sure.settings['threshold'] == 0.9
    with pytest.raises(InputError, match=r'threshold is 2, expected a number from 0 to 1'):
        free.rethreshold(2)


def test_a_copy_reads_again_and_a_pickle_has_the_labels(model, picture):
    found = model.predict(picture[:32, :32], WORDS)
    copied, loaded = copy.deepcopy(found), pickle.loads(pickle.dumps(found))
    for other in (copied, loaded):
        np.testing.assert_array_equal(other.rethreshold(0.5).labels, found.rethreshold(0.5).labels)
        assert other.settings == found.settings and other.presence == found.presence
    np.testing.assert_array_equal(copied.scores, found.scores)
    with pytest.raises(InputError, match='predict again'):
        loaded.masks()


def test_an_overlay_leaves_what_is_none_of_the_words_as_it_is(model, picture):
    found = model.predict(picture, ['bricks', 'zebra'])
    drawn = np.array(found.overlay(opacity=0.25, legend=False)).astype(int)
    known = found.mask('bricks')
    assert 0.2 < known.mean() < 0.8 and np.array_equal(drawn[~known], picture[~known])
    expected = 0.75 * picture[known] + 0.25 * np.array(found.palette[0])
    np.testing.assert_allclose(drawn[known], expected, atol=1)
    assert found.overlay().size > (256, 256)


def test_masks_overlap_since_each_word_is_alone_against_the_contrast_set(model, picture):
    found = model.predict(picture, ['bricks', 'brick wall', 'zebra'])
    masks = found.masks(0.5)
    # Two names of one thing share it in the label map, and both have it as masks.
    both = masks['bricks'] & masks['brick wall']
    assert both.mean() > 0.3 and not masks['zebra'].any()
    assert not (found.mask('bricks') & found.mask('brick wall')).any()
    alone = model.predict(picture, ['brick wall'])
    assert np.array_equal(masks['brick wall'], alone.masks(0.5)['brick wall'])


def test_other_words_need_no_other_forward_pass(model, picture, monkeypatch):
    read = model.encode(picture)
    expected = model.predict(picture, ['tiger', 'sky'])
    monkeypatch.setattr(ClipResNet, '_map', None)
    assert np.array_equal(read.classify(['tiger', 'sky']).labels, expected.labels)
    with pytest.raises(TypeError):
        model.encode(picture)


def test_one_new_word_costs_one_word(picture, monkeypatch):
    encoded = []
    plain = names_module.sum_prompts
    monkeypatch.setattr(names_module, 'sum_prompts', lambda tower, sentences, owner: (
        encoded.append(len(sentences)), plain(tower, sentences, owner))[1])
    model = load('TinyRN', device='cpu')
    model.predict(picture, ['sky'])
    model.predict(picture, ['sky', 'tiger'])
    # 85 prompts a word, 7 a contrast word, which are all 14 names of the world.
    assert encoded == [85, 7 * 14, 85]
    load('TinyRN', device='cpu').predict(picture, ['tiger', 'sky'])
    assert len(encoded) == 3, 'another process finds them in the cache'


def test_words_in_any_form_give_the_rows_of_a_text_bank(model, picture, tmp_path):
    (tmp_path / 'words.txt').write_text('sky; clouds\nladybird\n', encoding='utf-8')
    listed = model.predict(picture, ['sky; clouds', 'ladybird'])
    filed = model.predict(picture, str(tmp_path / 'words.txt'))
    assert np.array_equal(listed.confidence, filed.confidence)
    bank = build_text_bank(read_clip_checkpoint(find_checkpoint(get_spec('TinyRN'))),
                           get_spec('TinyRN'), ['sky; clouds', 'ladybird'], progress=False)
    made = model._classes(['sky; clouds', 'ladybird'], None, 0.0).bank
    torch.testing.assert_close(made.embeddings, bank.embeddings)
    prompts = model._classes({'it': ['a photo of a tiger.'], 'sky': ['a photo of a {}.']}, None, 0)
    single = build_text_bank(read_clip_checkpoint(find_checkpoint(get_spec('TinyRN'))),
                             get_spec('TinyRN'), ['tiger', 'sky'], 'single', progress=False)
    torch.testing.assert_close(prompts.bank.embeddings, single.embeddings)
    assert prompts.names == ('it', 'sky')


@pytest.mark.parametrize('words, said', [
    (None, 'give words'), ([], 'empty'), ('cat', r"a list, such as \['cat'\]"),
    ({'sky': []}, "prompts of 'sky'"), (['sky', 'Sky'], 'stands twice'),
    (['sky ' * 40], '32 tokens'), (['sky', ''], 'blank')])
def test_bad_words_are_named(model, picture, words, said):
    with pytest.raises(InputError, match=said):
        model.predict(picture, words)


def test_a_method_brings_no_words_of_its_protocol(picture):
    model = load('TinyViT8', method='gem', device='cpu')
    assert model.names is None and model.settings['method'] == 'gem'
    found = model.predict(picture, list(CLASSES), contrast=None)
    assert (found.labels == scene(0, 0).mask).mean() > 0.85


def test_half_precision_keeps_most_labels_and_all_words(model, picture):
    half = load('TinyRN', device='cpu', precision='bf16')
    read = half.encode(picture)
    assert read.views[0].encoded.windows[0].features.dtype == torch.bfloat16
    found, expected = read.classify(WORDS), model.predict(picture, WORDS)
    assert 0.97 < (found.labels == expected.labels).mean() < 1
    assert (found.settings['precision'], expected.settings['precision']) == ('bf16', 'fp32')
    # Words are embedded in fp32 all the same, which is what is kept of them.
    theirs, ours = (one._classes(WORDS, None, 0.0).bank.embeddings for one in (half, model))
    torch.testing.assert_close(theirs, ours)


@pytest.mark.parametrize('settings, said', [
    (dict(model='TinyRNN'), 'unknown CLIP model'),
    (dict(model='TinyRN', method='naclip'), 'is a ResNet'),
    (dict(model='TinyViT8', method='nacl'), "unknown method 'nacl', did you mean 'naclip'"),
    (dict(model='TinyViT8', method='x'), "unknown method 'x', expected one of clearclip"),
    (dict(model=STUDENT, weights='x.pth', fidelity='paper'), "fidelity is 'paper'"),
    (dict(model='ViT-B/16'), 'does not exist'),
    (dict(model='none.pth'), 'does not exist'),
    (dict(model=STUDENT), 'give its checkpoint'),
    (dict(model='TinyRN', size=0), 'size is 0'),
    (dict(model='TinyRN', device='cpu', precision='fp16'), 'precision fp16 needs a GPU'),
    (dict(model='TinyRN', precision='half'), "precision is 'half'"),
    (dict(model=STUDENT, weights='x.pth', method='gem'), 'leave it out'),
    (dict(model='TinyViT8', method='gem', fidelity='paper'), "method 'gem' has its own"),
    (dict(model='tiny/maskclip_tinyrn_256x256_tinyworld.py', fidelity='paper'), 'has its own'),
    (dict(model='TinyRN', fidelity='papr'), "fidelity is 'papr'")])
def test_bad_settings_are_named(settings, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=said):
        load(**settings)


def test_many_pictures_in_batches_are_each_as_alone(model, tmp_path, picture):
    folder = tmp_path / 'pictures'
    folder.mkdir()
    images = [scene(0, index).image for index in range(3)] + [scene(0, 3).image[:, :200]]
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f'{index}.png')
    (folder / '2b.jpg').write_text('no picture')
    skipped = []
    # The last one, of another size, would stand in one batch with the others.
    found = list(model.predict_many(folder, WORDS, batch_size=8, progress=False, skipped=skipped))
    assert [one.path for one in found] == [str(folder / f'{index}.png') for index in range(4)]
    assert [path for path, _ in skipped] == [str(folder / '2b.jpg')]
    assert 'is not a picture' in skipped[0][1]
    listed = sorted(folder.glob('[01].png'))
    for few in (iter(listed), iter(images[:2]), (listed[0], images[1])):
        again = list(model.predict_many(few, WORDS, progress=False))
        assert [one.areas for one in again] == [one.areas for one in found[:2]]
    one, = model.predict_many(images[0], WORDS, progress=False)
    assert one.areas == found[0].areas
    for one, image in zip(found, images):
        alone = model.predict(image, WORDS)
        np.testing.assert_allclose(one.confidence, alone.confidence, atol=1e-5)
        assert (one.labels == alone.labels).mean() > 0.999


def test_of_many_pictures_none_takes_the_files_of_another(model, tmp_path, picture):
    for name in ('a/x.png', 'b/x.png', 'b/x.jpg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(picture[:32, :32]).save(tmp_path / name)
    given = [[tmp_path], [tmp_path / 'a', tmp_path / 'b/x.png', picture, picture],
             np.stack([picture, picture]), (one for one in (picture, tmp_path / 'a/x.png'))]
    names = [['a/x', 'b/x.jpg', 'b/x.png'], ['x', 'x_2', 'picture_2', 'picture_3'],
             ['picture_0', 'picture_1'], ['picture_0', 'x']]
    for number, pictures in enumerate(given):
        for found in model.predict_many(pictures, WORDS, progress=False):
            found.save(tmp_path / f'out{number}')
        out = tmp_path / f'out{number}' / 'annotations'
        assert sorted(str(path.relative_to(out))[:-4] for path in out.rglob('*.png')) == sorted(
            names[number])
    frames = iter([picture] * 9)
    next(model.predict_many(frames, WORDS, progress=False))
    assert 4 <= len(list(frames)) < 9                            # as far as is needed
    with pytest.raises(InputError, match='pictures are a NoneType'):
        model.predict_many(None, WORDS)


def test_255_words_take_16_bits(model, picture):
    words = {f'word {index}': [CLASSES[index % 14]] for index in range(255)}
    found = model.predict(picture, words, threshold=0.9)
    assert found.labels.dtype == np.uint16 and found.none == 65535
    assert set(np.unique(found.labels)) <= {*range(14), 65535}


def _checkpoint(path, config, model, classes):
    crop = {'type': 'RandomCrop', 'crop_size': [128, 256]}
    run = json.dumps({'data.train': {'pipeline': [crop]}})
    meta = {'CLASSES': list(classes), 'PALETTE': [[index, 0, 9] for index in range(len(classes))],
            'model': describe_model(config), 'run': run,
            **getattr(model, 'checkpoint_meta', {})}
    torch.save({'state_dict': model.state_dict(), 'meta': meta}, path)


@pytest.fixture(scope='module')
def student(tmp_path_factory):
    """A student with random weights that knows its classes."""
    config = load_config(STUDENT)
    torch.manual_seed(0)
    model = build_model(config)
    spec = get_spec('TinyRN')
    model.decode_head.set_text_bank(build_text_bank(
        read_clip_checkpoint(find_checkpoint(spec)), spec, list(CLASSES), progress=False))
    path = tmp_path_factory.mktemp('student') / 'latest.pth'
    _checkpoint(path, config, model, CLASSES)
    return path


def test_a_student_takes_its_classes_from_its_checkpoint(student, picture):
    from mmseg.apis import inference_segmentor

    found = load(STUDENT, student, device='cpu').predict(picture)
    assert found.names == CLASSES and found.palette[3] == (3, 0, 9)
    expected = inference_segmentor(init_segmentor(STUDENT, student, 'cpu'),
                                   np.ascontiguousarray(picture[:, :, ::-1]))[0]
    assert len(np.unique(expected)) > 1
    assert (found.labels == expected).mean() > 0.9999 and found.presence is None
    # Without a config the crops of its training say how large pictures are.
    alone = load(student, device='cpu')
    small = load(STUDENT, student, device='cpu', size=128)
    assert np.array_equal(alone.predict(picture).labels, small.predict(picture).labels)


def test_a_student_looks_for_other_words_by_the_clip_of_its_teacher(student, picture):
    model = load(student, device='cpu')
    own = model.predict(picture)
    other = model.predict(picture, ['sky', 'lawn'])
    assert other.names == ('sky', 'lawn') and 'tiger' in other.settings['contrast']
    assert own.settings['contrast'] == []
    assert np.array_equal(model.predict(picture).labels, own.labels)


def test_a_checkpoint_without_its_config_asks_for_it(student, tmp_path):
    content = torch.load(student)
    del content['meta']['model']
    torch.save(content, tmp_path / 'bare.pth')
    with pytest.raises(InputError, match='does not record how its model is built'):
        load(tmp_path / 'bare.pth')


def test_zegclip_keeps_its_offset_for_its_own_classes(tmp_path, picture):
    config = load_config(ZEGCLIP)
    config.model.test_cfg.seen_offset = 0.4
    torch.manual_seed(0)
    model = build_model(Config(config._cfg_dict))
    model.init_weights()
    _checkpoint(tmp_path / 'zegclip.pth', config, model, CLASSES)
    config.dump(str(tmp_path / 'zegclip.py'))
    found = load(tmp_path / 'zegclip.py', tmp_path / 'zegclip.pth', device='cpu')
    own = found.predict(picture)
    reference = init_segmentor(load_config(tmp_path / 'zegclip.py'), tmp_path / 'zegclip.pth',
                               'cpu')
    from mmseg.apis import inference_segmentor

    bgr = np.ascontiguousarray(picture[:, :, ::-1])
    assert (own.labels == inference_segmentor(reference, bgr)[0]).mean() > 0.9999
    other = found.predict(picture, ['lawn', 'clouds'])
    assert other.names == ('lawn', 'clouds') and set(other.presence) == {'lawn', 'clouds'}
    # Its masks are independent: each is compared with those of the contrast words.
    rivals = found.predict(picture, other.settings['contrast'], contrast=None).scores.max(axis=0)
    for mask, score in zip(other.masks(0.3).values(), other.scores):
        assert np.array_equal(mask, (score >= 0.3) & (score >= rivals))
    assert np.array_equal(found.predict(picture).labels, own.labels)
    with pytest.raises(InputError, match='no probabilities to calibrate'):
        found.calibrate([picture], [own.labels])


def test_the_public_names_are_loaded_when_they_are_touched():
    assert mmseg_maskclip.load is load
    for _ in range(2):
        # A module of the same name would stand in its way from the second time on.
        assert all(callable(getattr(mmseg_maskclip, name)) for name in mmseg_maskclip.__all__[1:])
    assert {'download', 'Segmentation', 'Predictor', 'EncodedPicture'} <= set(
        mmseg_maskclip.__all__)


def test_few_places_have_the_labels_of_the_whole_picture(model, picture):
    read, places = model.encode(picture), (np.arange(5, 250, 7), np.arange(0, 256, 3))
    whole, few = read.classify(WORDS), read.classify(WORDS, places=places)
    assert few.labels.shape == (35, 86) and few.picture.shape == (35, 86, 3)
    assert np.array_equal(few.labels, whole.labels[np.ix_(*places)])
    np.testing.assert_allclose(few.confidence, whole.confidence[np.ix_(*places)], atol=1e-6)
    np.testing.assert_allclose(few.scores, whole.scores[:, places[0]][:, :, places[1]], atol=1e-6)
