"""tools/test.py --batch and --precision: several images at once, and in half precision."""

import json
import pickle
import shutil

import numpy as np
import pytest
import torch
from mmcv import Config
from mmseg.models import build_segmentor
from PIL import Image

import mmseg_maskclip
from mmseg_maskclip.engine.build import build_test_dataset
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.heads import choose
from mmseg_maskclip.engine.heads.compose import config_of
from mmseg_maskclip.engine.inference import grouped, label_samples, samples_of_process
from mmseg_maskclip.engine.overrides.pipelines import set_img_scale
from mmseg_maskclip.models import MaskClip
from mmseg_maskclip.models.weights.load import load_weights

import helpers.calibrated  # noqa: F401
from helpers.cases import cases
from helpers.tools import ROOT, assert_bad_input

TOOL = 'tools/test.py'
CONFIG = ROOT / 'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py'
FAST = 'data.workers_per_gpu=0'
SMALL = ('--img-scale', 128, 64)
METHODS = ['maskclip', 'sclip', 'naclip_pamr', 'gem', 'surgery', 'resclip', 'scclip', 'itaclip']
# Two of one input size but another original one, a pair, and one alone.
SIZES = [(256, 256), (128, 128), (128, 256), (128, 256), (256, 128), (256, 256)]


@pytest.fixture(scope='module')
def world(tiny_world, tmp_path_factory):
    """Six pictures of four sizes, the fifth unreadable."""
    root = tmp_path_factory.mktemp('batch') / 'world'
    shutil.copytree(tiny_world, root)
    names = (root / 'ImageSets/Segmentation/val.txt').read_text().split()
    for name, (height, width) in zip(names, SIZES):
        for path in (root / f'JPEGImages/{name}.jpg', root / f'SegmentationClass/{name}.png'):
            picture = Image.open(path)
            picture.load()
            picture.crop((0, 0, width, height)).save(path)
    (root / f'JPEGImages/{names[4]}.jpg').write_bytes(b'no picture')
    return root


@pytest.fixture
def tested(world, tiny_rn, tmp_path, call_tool):
    """Test, and return the record of the metrics with the label maps."""
    def run(name, *flags, options=()):
        done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--out', tmp_path / f'{name}.pkl',
                         '--work-dir', tmp_path / name, *SMALL, *flags, '--cfg-options',
                         f'data.test.data_root={world}', FAST, *options)
        assert done.returncode == 0, done.stderr
        record, = (tmp_path / name).glob('eval_*.json')
        with open(tmp_path / f'{name}.pkl', 'rb') as file:
            return json.loads(record.read_text()), pickle.load(file)
    return run


def _same(ours, theirs):
    """Share of equal pixels of label maps of which one was unreadable."""
    assert [one is None for one in ours] == [one is None for one in theirs]
    pairs = [pair for pair in zip(ours, theirs) if pair[0] is not None]
    assert all(one.shape == other.shape for one, other in pairs)
    return np.mean([(one == other).mean() for one, other in pairs])


def test_images_of_one_size_go_through_the_model_together(tested, monkeypatch):
    """Those of one network input, whatever they were before; every output is of its own image."""
    batches, read = [], MaskClip.extract_feat
    monkeypatch.setattr(MaskClip, 'extract_feat', lambda self, img, **more: batches.append(
        len(img)) or read(self, img, **more))
    offsets = ['--eval-options', 'seen_offsets=[0,0.01]']
    options = ('model.type=CalibratedMaskClip', 'data.test.unseen=[3,9,11,12]')
    alone, maps = tested('alone', *offsets, options=options)
    assert batches == [1] * 5 and alone['batch'] == 1
    batches.clear()
    together, others = tested('together', '--batch', 3, *offsets, options=options)
    assert batches == [2, 2, 1] and together['batch'] == 3
    assert _same(others, maps) > 0.9999
    assert together['metric'] == pytest.approx(alone['metric'], abs=1e-3, nan_ok=True)
    areas = [record['seen_offsets']['area'] for record in (alone, together)]
    assert areas[0] > 0.05 and areas[1] == pytest.approx(areas[0], abs=1e-4)
    assert list(together['unreadable']) == list(alone['unreadable']) != []


def test_heat_maps_are_those_of_their_images(world, tiny_rn, tmp_path, call_tool):
    sheets = []
    for batch in (1, 4):
        folder = tmp_path / str(batch)
        done = call_tool(TOOL, CONFIG, tiny_rn, '--show-queries', folder, '--batch', batch,
                         '--work-dir', tmp_path / 'work', *SMALL, '--cfg-options', FAST,
                         f'data.test.data_root={world}', 'model.type=CalibratedMaskClip')
        assert done.returncode == 0, done.stderr
        sheets.append({path.name: np.array(Image.open(path)).astype(int)
                       for path in sorted(folder.iterdir())})
    first, second = sheets
    assert list(first) == list(second) and len(first) == 5
    assert all(np.abs(first[name] - second[name]).max() <= 2 for name in first)


@pytest.mark.parametrize('method', METHODS)
def test_every_method_labels_a_batch_as_it_labels_one(method, world):
    config = config_of(choose(method, 'tinyworld', None, 'TinyViT8'))
    config.data.test.data_root, config.data.workers_per_gpu = str(world), 0
    set_img_scale(config, SMALL[1:])
    dataset = build_test_dataset(config, skip_unreadable=True)
    model = mmseg_maskclip.build_model(config).eval()
    load_weights(model, str(ROOT / 'mmseg_maskclip/tinyworld/weights/tiny_vit8.pth'))
    groups = list(grouped(samples_of_process(dataset, config), 2, model))
    samples = [sample for _, sample in groups[0]]
    assert len(samples) == 2
    together = label_samples(model, samples, torch.device('cpu'))
    alone = [label_samples(model, [sample], torch.device('cpu'))[0] for sample in samples]
    assert _same(together, alone) > 0.999


def test_models_of_mmseg_get_images_that_were_of_one_size(world):
    """It resizes a whole batch to the original size of its first image."""
    config = load_config(str(CONFIG), {'data.test.data_root': str(world),
                                       'data.workers_per_gpu': 0})
    dataset = build_test_dataset(config, skip_unreadable=True)
    model = build_segmentor(dict(
        type='EncoderDecoder', backbone=dict(
            type='ResNetV1c', depth=18, base_channels=4, norm_cfg=dict(type='BN'),
            out_indices=(3,)),
        decode_head=dict(type='FCNHead', in_channels=32, channels=4, num_classes=3,
                         num_convs=1, in_index=0, norm_cfg=dict(type='BN')),
        test_cfg=Config(dict(mode='whole')))).eval()
    groups = list(grouped(samples_of_process(dataset, config), 3, model))
    assert [[index for index, _ in group] for group in groups] == [[0], [1], [2, 3, 4], [5]]
    found = label_samples(model, [sample for _, sample in groups[2][:2]], torch.device('cpu'))
    assert [labels.shape for labels in found] == [(128, 256)] * 2


def test_half_precision_is_recorded_and_keeps_most_labels(tested):
    seen, linear = set(), torch.nn.functional.conv2d
    plain, maps = tested('fp32')
    with pytest.MonkeyPatch.context() as patch:
        def watched(img, *more, **other):
            found = linear(img, *more, **other)
            seen.add(found.dtype)
            return found

        patch.setattr(torch.nn.functional, 'conv2d', watched)
        record, others = tested('bf16', '--precision', 'bf16', options=('fp16.loss_scale=512.',))
    # The tower in half of it, the scores of its features in all of it.
    assert seen == {torch.bfloat16, torch.float32}
    assert (plain['precision'], record['precision']) == ('fp32', 'bf16')
    assert 0.97 < _same(others, maps) < 1
    assert abs(record['metric']['mIoU'] - plain['metric']['mIoU']) < 0.02


@cases('flags, words', [
    (['--precision', 'fp16', '--device', 'cpu'], ['--precision fp16 needs a GPU', 'bf16']),
    (['--precision', 'half'], ["'half'", 'fp32']),
    (['--batch', '0'], ['--batch is 0', 'at least 1'])])
def test_what_can_not_be_is_one_sentence(flags, words, world, tiny_rn, tmp_path, call_tool,
                                         monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    assert_bad_input(call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path,
                               *flags, '--cfg-options', f'data.test.data_root={world}'), *words)
