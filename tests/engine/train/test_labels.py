"""Which labels a student can learn from, and one that is trained on a few of them."""

import shutil

import pytest
import torch

from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.train.train import TrainOptions, train_model
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.training import curve, write_training_config


@pytest.fixture(scope='module')
def partly(tiny_world, tmp_path_factory):
    """The world with a label for one of its four training images."""
    world = tmp_path_factory.mktemp('partly') / 'world'
    shutil.copytree(tiny_world, world)
    names = (world / 'ImageSets/Segmentation/train.txt').read_text().split()
    for name in names[1:]:
        (world / f'SegmentationClass/{name}.png').unlink()
    return world


@pytest.fixture(scope='module')
def config_path(partly, tmp_path_factory):
    return write_training_config(tmp_path_factory.mktemp('config') / 'config.py', partly, 4)


def _run(path, folder, **options):
    config = load_config(path, {'data.train.unlabelled': None, **options})
    return train_model(config, TrainOptions(str(folder), seed=0, validate=False))


def test_few_labels_and_many_bare_images_train_one_student(config_path, partly, tmp_path,
                                                           monkeypatch):
    """Two batches of two are all images: given labels stay, the others get the teacher's."""
    from mmseg_maskclip.models import MaskClipPlus
    seen = []
    label = MaskClipPlus.label_unlabelled

    def watched(self, labels, *args, **kwargs):
        found = label(self, labels, *args, **kwargs)
        seen.extend(zip(labels.clone(), found[0].clone()))
        return found

    monkeypatch.setattr(MaskClipPlus, 'label_unlabelled', watched)
    _run(config_path, tmp_path, **{'data.train.missing_labels': 'unlabelled',
                                   'runner.max_iters': 2})
    given = [(before, after) for before, after in seen if (before >= 0).any()
             and not (before == -1).any()]
    bare = [(before, after) for before, after in seen if (before == -1).all()
            or ((before == -1) | (before == 255)).all()]
    assert len(given) == 1 and len(bare) == 3
    assert torch.equal(*given[0]) and len(given[0][0].unique()) > 1
    assert all((after >= 0).all() for _, after in bare)
    assert sorted(curve(tmp_path)) == [1, 2]


@cases('options, message', [
    # Without the setting a missing label is an error that names it.
    ({'data.train.unlabelled': 'all'}, r"missing_labels to 'unlabelled'"),
    ({'model.labelling': None, 'data.train.missing_labels': 'unlabelled'},
     "missing_labels is 'unlabelled', and no stage of model.labelling labels these"),
    ({'model.labelling': None, 'data.train.unlabelled': 'all'}, 'nothing to learn from'),
    ({'model.decode_head.ignore_index': 254, 'data.train.missing_labels': 'unlabelled'},
     r'model\.decode_head.*ignore_index is 254, labels arrive with 255.*ignore_index of data'),
])
def test_what_can_not_be_learnt_is_told_before_the_run(options, message, config_path, tmp_path):
    with pytest.raises(InputError, match=message):
        _run(config_path, tmp_path, **options)
    assert not curve(tmp_path)


def test_labels_of_hosts_data_sets_are_not_withheld(tiny_world, tmp_path):
    """What to do is said once, with what mmseg's data set knows."""
    path = write_training_config(tmp_path / 'config.py', tiny_world, 1)
    config = load_config(path)
    train = config.data.train
    train.pop('unlabelled')
    train.update(type='CustomDataset', classes=list(range(14)))
    train.classes = config.vocabulary
    train.pipeline[1] = {'type': 'LoadAnnotations'}
    with pytest.raises(InputError, match=r"data\.train is CustomDataset with 'LoadAnnotations', "
                                         r'which leaves none: take a data set of this project'):
        train_model(config, TrainOptions(str(tmp_path / 'run'), validate=False))
    train.pipeline[1] = {'type': 'LoadLabels', 'suppress_labels': list(range(14)),
                         'reduce_zero_label': False}
    train_model(config, TrainOptions(str(tmp_path / 'run'), validate=False))
    assert sorted(curve(tmp_path / 'run')) == [1]


def test_unlabelled_pixels_need_a_model_that_knows_them(config_path, partly, tmp_path):
    config = load_config(config_path)
    plain = config.model
    for key in ('teacher', 'labelling'):
        plain.pop(key)
    plain.type = 'EncoderDecoder'
    plain.decode_head = dict(
        type='FCNHead', in_channels=64, in_index=3, channels=8, num_classes=14,
        norm_cfg=dict(type='BN'), loss_decode=dict(type='CrossEntropyLoss'))
    config.custom_hooks = []
    for setting, value in (('unlabelled', 'all'), ('missing_labels', 'unlabelled')):
        config.data.train.unlabelled = None
        config.data.train[setting] = value
        with pytest.raises(InputError, match=rf'data\.train\.{setting} leaves pixels without a '
                                             r'label, which EncoderDecoder does not know'):
            train_model(config, TrainOptions(str(tmp_path), validate=False))
