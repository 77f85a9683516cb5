"""Classes of model and data set: the same ones, in the same order."""

from types import SimpleNamespace

import pytest
from mmseg.datasets import DATASETS

from mmseg_maskclip.clip import list_vocabularies, load_vocabulary
from mmseg_maskclip.engine import class_names
from mmseg_maskclip.engine.class_names import check_classes, check_trained_classes
from mmseg_maskclip.models.refiners import Refiners
from mmseg_maskclip.utils import InputError

from helpers.cases import cases


@pytest.fixture
def warned(monkeypatch):
    lines = []
    monkeypatch.setattr(class_names, 'print_log', lambda line, *_, **__: lines.append(line))
    return lines


def _model(names, cls_bg=False):
    return SimpleNamespace(decode_head=SimpleNamespace(
        num_classes=len(names) + cls_bg, vocabulary=list(names), background=int(cls_bg)))


def _dataset(names):
    return SimpleNamespace(CLASSES=tuple(names))


def _published(name):
    """A data set's class without its files."""
    kind = DATASETS.get(name)
    return object.__new__(kind)


PROMPTS = {'VOC20Dataset': 'voc', 'VOC21Dataset': 'voc21', 'Context59Dataset': 'context',
           'Context60Dataset': 'context60', 'COCOStuff164kDataset': 'stuff',
           'ADE150Dataset': 'ade', 'Cityscapes19Dataset': 'city',
           'COCOObjectDataset': 'coco_object'}
# Lists of the training-free methods, and how many of their names the data set does not know.
LISTS = {'VOC21Dataset': ('voc21', 2), 'VOC20Dataset': ('voc20', 2),
         'Context60Dataset': ('context60', 0), 'Context59Dataset': ('context59', 0),
         'COCOObjectDataset': ('coco_object', 0), 'COCOStuff164kDataset': ('coco_stuff', 0),
         'ADE150Dataset': ('ade20k', 0), 'Cityscapes19Dataset': ('cityscapes', 0)}

ZEGCLIP = {'VOC20Dataset': 'zegclip_voc', 'COCOStuff164kDataset': 'zegclip_coco_stuff',
           'Context59Dataset': 'sclip_context59', 'Context60Dataset': 'sclip_context60',
           'ADE150Dataset': 'ade'}


def test_published_prompts_are_known_names_of_their_classes(warned):
    for dataset, prompts in PROMPTS.items():
        names = load_vocabulary(prompts).class_names
        check_classes(_model(names), _published(dataset))
        for swapped in ((0, 1), (3, len(names) - 1)):
            moved = list(names)
            moved[swapped[0]], moved[swapped[1]] = moved[swapped[1]], moved[swapped[0]]
            with pytest.raises(InputError, match='give both in the same order'):
                check_classes(_model(moved), _published(dataset))
    assert not warned


@cases('dataset, vocabulary', ZEGCLIP.items())
def test_zegclip_asks_for_the_names_of_the_data_sets(dataset, vocabulary, warned):
    names = load_vocabulary(vocabulary).class_names
    # mmseg's ADE20K has a class 'bed ', with a trailing blank.
    assert names == tuple(name.strip() for name in DATASETS.get(dataset).CLASSES)
    check_classes(_model(names), _published(dataset))
    assert not warned


@cases('dataset, name, unknown', [(key, *value) for key, value in LISTS.items()])
def test_lists_of_the_training_free_methods_have_the_order_of_the_data_sets(
        dataset, name, unknown, monkeypatch):
    lines = []
    monkeypatch.setattr(class_names, 'print_log', lambda line, *_, **__: lines.append(line))
    known = set(list_vocabularies())
    for vocabulary in {f'{method}_{name}{fixed}' for method in ('sclip', 'itaclip')
                       for fixed in ('', '_fixed')} & known:
        count = len(load_vocabulary(vocabulary))
        model = SimpleNamespace(decode_head=SimpleNamespace(
            num_classes=count, vocabulary=vocabulary, background=0))
        check_classes(model, _published(dataset))
        # VOC's boat and dining table are asked for as "ship" and "table".
        assert len(lines) == bool(unknown)
        assert not unknown or f"{unknown} of {count} classes have other names" in lines.pop()
    for one, two in ((-1, -2), (1, 2)):
        moved = list(load_vocabulary(f'sclip_{name}').class_names)
        moved[one], moved[two] = moved[two], moved[one]
        with pytest.raises(InputError, match='give both in the same order'):
            check_classes(_model(moved), _published(dataset))


def test_background_words_that_are_a_class_of_their_own_have_not_moved(warned):
    shared = SimpleNamespace(decode_head=SimpleNamespace(
        num_classes=81, vocabulary='sclip_coco_object', background=0))
    dataset = _published('COCOObjectDataset')
    check_classes(shared, dataset)
    # The same word where another class stands has.
    shared.decode_head.vocabulary = ['bed; desk', *dataset.CLASSES[1:60], 'cot',
                                     *dataset.CLASSES[61:]]
    with pytest.raises(InputError, match="'bed' is class 0 .* and class 60"):
        check_classes(shared, dataset)
    assert not warned


def test_permutation_is_refused_wherever_the_names_come_from(warned):
    with pytest.raises(InputError, match="'b' is class 0 in model.decode_head.vocabulary and "
                                         'class 1 in the training data'):
        check_classes(_model(['b', 'a']), _dataset(['a', 'b']), 'training data')
    with pytest.raises(InputError, match="'x' is class 0 in the checkpoint and class 1"):
        check_trained_classes({'CLASSES': ['x', 'a']}, _dataset(['a', 'x']))
    # A synonym that another class is called by is a permutation, too.
    with pytest.raises(InputError, match='give both'):
        check_classes(_model(['dog; cat', 'fish']), _dataset(['mouse', 'cat']))


def test_other_names_are_one_warning_and_equal_ones_none(warned):
    check_classes(_model(['tall grass', 'sky; clouds']), _dataset(['grass', 'Clouds']))
    assert len(warned) == 1 and "1 of 2 classes have other names" in warned[0]
    assert "'tall grass' ('grass')" in warned[0]
    check_classes(_model(['Traffic-Light', 'a_b']), _dataset(['traffic light', 'a b']))
    check_trained_classes({}, _dataset(['a']))
    assert len(warned) == 1


def test_folder_of_pictures_shows_the_names_that_were_asked_for():
    folder = SimpleNamespace(CLASSES=('grass',), TAKES_CLASS_NAMES=True)
    with pytest.raises(InputError, match="'lawn' .'grass'.*or use --classes"):
        check_classes(_model(['lawn']), folder)


def test_background_without_a_text_embedding_is_left_out(warned):
    check_classes(_model(['a', 'b'], cls_bg=True), _dataset(['background', 'a', 'b']))
    with pytest.raises(InputError, match='give both'):
        check_classes(_model(['b', 'a'], cls_bg=True), _dataset(['background', 'a', 'b']))


def test_a_declared_background_says_so_in_the_data_set():
    """Or unsure pixels would go to whatever class has that id."""
    names, model = ['background', 'a'], _model(['sky; wall', 'a'])
    for label, wrong in ((0, False), (1, True), ('none', False), (None, False)):
        model.refiners = Refiners([dict(type='Background', label=label)])
        if wrong:
            with pytest.raises(InputError, match="label=1, class 'a' of the.*label='none'"):
                check_classes(model, _dataset(names))
        else:
            check_classes(model, _dataset(names))
    # A teacher's classes stand behind the background its student learns.
    student = _model(['background', 'a'], cls_bg=True)
    student.teacher = SimpleNamespace(refiners=Refiners([dict(type='Background', label=0)]))
    check_classes(student, _dataset(['void', 'background', 'a']))
    with pytest.raises(InputError, match="class 'b'"):
        check_classes(_model_with(student, ['b', 'a']), _dataset(['background', 'b', 'a']))


def _model_with(student, names):
    student.decode_head.vocabulary = names
    return student


def test_number_is_compared_first():
    with pytest.raises(InputError, match='head has 3 classes, the validation data .* 2'):
        check_classes(_model('abc'), _dataset('ab'), 'validation data')
