"""The registered data sets: classes, splits, and their labels read right."""

import shutil

import numpy as np
import pytest
from mmseg.datasets import DATASETS, build_dataset
from PIL import Image

from mmseg_maskclip.clip import load_vocabulary
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.voc_tree import write_image, write_labels, write_voc

LOAD = [{'type': 'LoadImageFromFile'}]

# Name, number of classes, and the published unseen ids.
PUBLISHED = [
    ('VOC20Dataset', 20, (15, 16, 17, 18, 19)),
    ('PascalVOCDataset20', 20, (15, 16, 17, 18, 19)),
    ('VOC21Dataset', 21, (16, 17, 18, 19, 20)),
    ('Context59Dataset', 59, (0, 6, 7, 14, 19, 24, 31, 33, 48, 54)),
    ('Context60Dataset', 60, (1, 7, 8, 15, 20, 25, 32, 34, 49, 55)),
    ('COCOStuff164kDataset', 171,
     (19, 23, 28, 29, 36, 51, 76, 88, 94, 112, 133, 136, 137, 157, 160)),
    ('COCOObjectDataset', 81, ()),
    ('ADE150Dataset', 150, ()),
    ('Cityscapes19Dataset', 19, ()),
    ('TinyWorldDataset', 14, (3, 9, 11, 12)),
]
SUFFIXES = {'COCOObjectDataset': ('.jpg', '_instanceTrainIds.png'),
            'COCOStuff164kDataset': ('.jpg', '_labelTrainIds.png'),
            'Cityscapes19Dataset': ('_leftImg8bit.png', '_gtFine_labelTrainIds.png')}
HAS_SPLIT = {'VOC20Dataset', 'PascalVOCDataset20', 'VOC21Dataset', 'Context59Dataset',
             'Context60Dataset', 'TinyWorldDataset'}


def build(name, root, **options):
    return build_dataset({'type': name, 'data_root': str(root), 'img_dir': 'img',
                          'ann_dir': 'ann', 'pipeline': LOAD, 'test_mode': True, **options})


@cases('name, num_classes, unseen', PUBLISHED)
def test_classes_colours_split_and_suffixes(tmp_path, name, num_classes, unseen):
    image_suffix, label_suffix = SUFFIXES.get(name, ('.jpg', '.png'))
    write_image(tmp_path / f'img/x{image_suffix}')
    write_labels(tmp_path / f'ann/x{label_suffix}', np.ones((12, 16)))
    (tmp_path / 'val.txt').write_text('x\n')
    if name in HAS_SPLIT:
        with pytest.raises(InputError, match='needs split, the list of images'):
            build(name, tmp_path)
    dataset = build(name, tmp_path, **({'split': 'val.txt'} if name in HAS_SPLIT else {}))
    assert len(dataset.CLASSES) == len(dataset.PALETTE) == num_classes
    assert dataset.unseen_ids == unseen
    assert sorted(dataset.seen_ids + dataset.unseen_ids) == list(range(num_classes))
    assert dataset[0]['img'].shape == (12, 16, 3)
    labels = dataset.get_gt_seg_map_by_idx(0)
    assert (labels == 1 - dataset.reduce_zero_label).all()


def test_names_are_not_the_hosts():
    for name, *_ in PUBLISHED:
        assert DATASETS.get(name).__module__.startswith('mmseg_maskclip.')
    assert DATASETS.get('PascalVOCDataset').__module__.startswith('mmseg.')


def test_20_and_21_classes_differ_by_background_alone():
    voc20, voc21 = DATASETS.get('VOC20Dataset'), DATASETS.get('VOC21Dataset')
    assert ('background', *voc20.CLASSES) == voc21.CLASSES
    assert [[0, 0, 0], *voc20.PALETTE] == voc21.PALETTE
    assert voc20.CLASSES[0] == 'aeroplane' and voc20.CLASSES[19] == 'tvmonitor'
    context59, context60 = DATASETS.get('Context59Dataset'), DATASETS.get('Context60Dataset')
    assert ('background', *context59.CLASSES) == context60.CLASSES


def test_coco_object_is_the_things_of_coco_stuff_behind_the_background():
    objects, stuff = DATASETS.get('COCOObjectDataset'), DATASETS.get('COCOStuff164kDataset')
    assert ('background', *stuff.CLASSES[:80]) == objects.CLASSES
    assert objects.CLASSES[1] == 'person' and objects.CLASSES[80] == 'toothbrush'
    assert load_vocabulary(objects.PROMPTS).class_names == objects.CLASSES
    assert objects.PALETTE[0] == [0, 0, 0] and len(set(map(tuple, objects.PALETTE))) == 81


def test_coco_object_reads_labels_under_another_name(tmp_path):
    write_image(tmp_path / 'img/x.png')
    write_labels(tmp_path / 'ann/x.png', np.full((12, 16), 80))
    dataset = build('COCOObjectDataset', tmp_path, img_suffix='.png', seg_map_suffix='.png')
    assert (dataset.get_gt_seg_map_by_idx(0) == 80).all()
    # The background is a class of its own: it counts.
    assert dataset.evaluate(dataset.pre_eval([np.zeros((12, 16), int)], [0]))['aAcc'] == 0


def test_voc_labels(samples, tmp_path):
    names = ['2011_000003', '2011_000006', '2011_000025']
    for folder in ('JPEGImages', 'SegmentationClass'):
        shutil.copytree(samples.root / 'voc' / folder, tmp_path / folder)
    (tmp_path / 'val.txt').write_text('\n'.join(names))
    options = {'img_dir': 'JPEGImages', 'ann_dir': 'SegmentationClass', 'split': 'val.txt'}
    voc20, voc21 = (build(name, tmp_path, **options) for name in ('VOC20Dataset', 'VOC21Dataset'))
    found = [set(np.unique(voc20.get_gt_seg_map_by_idx(i)).tolist()) for i in range(3)]
    # bottle and person; chair, person and sofa; bus and car
    assert found == [{4, 14, 255}, {8, 14, 17, 255}, {5, 6, 255}]
    raw = np.array(Image.open(samples.root / 'voc/SegmentationClass/2011_000003.png'))
    labels = voc20.get_gt_seg_map_by_idx(0)
    assert (labels[(raw == 0) | (raw == 255)] == 255).all()
    assert (voc21.get_gt_seg_map_by_idx(0) == raw).all()
    assert voc20[0]['img'].shape[:2] == labels.shape
    assert voc20.evaluate(voc20.pre_eval([labels], [0]))['mIoU'] == 1


def test_ade_labels(samples, tmp_path):
    dataset = build('ADE150Dataset', samples.root / 'ade', img_dir='images', ann_dir='annotations')
    assert len(dataset) == 3
    labels = dataset.get_gt_seg_map_by_idx(0)
    names = {dataset.CLASSES[index] for index in np.unique(labels) if index != 255}
    assert names == {'wall', 'building', 'sky', 'tree', 'road', 'grass', 'plant'}
    counted = dataset.pre_eval([np.zeros_like(labels)], [0])[0]
    assert counted[3].sum() == (labels != 255).sum()
    files = dataset.format_results([labels % 150], str(tmp_path), indices=[0])
    assert (np.array(Image.open(files[0])) == labels % 150 + 1).all()


def test_cityscapes_labels(samples, tmp_path):
    dataset = build('Cityscapes19Dataset', samples.root / 'cityscapes', img_dir='leftImg8bit',
                    ann_dir='gtFine')
    assert len(dataset) == 1
    labels = dataset.get_gt_seg_map_by_idx(0)
    assert np.unique(labels).tolist() == [0, 1, 2, 4, 5, 7, 8, 10, 11, 13, 255]
    raw = np.array(Image.open(samples.root / 'cityscapes/gtFine'
                              / 'frankfurt_000000_000294_gtFine_labelIds.png'))
    inside = labels != 255
    prediction = np.where(inside, labels, 0)
    file, = dataset.format_results([prediction], str(tmp_path / 'out'), indices=[0])
    written = np.array(Image.open(file))
    agree = (written[inside] == raw[inside]).mean()
    assert agree >= samples.agreement, 'the benchmark wants its own ids'
    every = np.resize(np.arange(19), labels.shape)
    file, = dataset.format_results([every], str(tmp_path / 'every'), indices=[0])
    # Of the 35 ids of the benchmark these are evaluated, in the order of the training ids.
    ids = [7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33]
    assert (np.array(Image.open(file)) == np.array(ids)[every]).all()


def test_cityscapes_without_its_package(tmp_path):
    write_image(tmp_path / 'img/x_leftImg8bit.png')
    write_labels(tmp_path / 'ann/x_gtFine_labelTrainIds.png', np.ones((12, 16)))
    dataset = build('Cityscapes19Dataset', tmp_path)
    results = dataset.pre_eval([np.ones((12, 16), int)], [0])
    assert dataset.evaluate(results, metric='mIoU')['IoU.sidewalk'] == 1
    with pytest.raises(InputError, match='imgfile_prefix=DIR'):
        dataset.evaluate(results, metric='cityscapes')
    with pytest.raises(InputError, match='pip install cityscapesscripts'):
        dataset.evaluate(results, metric=['mIoU', 'cityscapes'], imgfile_prefix=str(tmp_path))


def test_hosts_evaluation_hook_takes_the_figures(tmp_path):
    """Through mmseg's own loop, as in training."""
    import torch
    from mmcv.parallel import MMDataParallel
    from mmseg.core import EvalHook
    from mmseg.datasets import build_dataloader

    write_voc(tmp_path, {'a': np.full((8, 8), 8), 'b': np.full((8, 8), 17)})
    pipeline = [*LOAD, {'type': 'MultiScaleFlipAug', 'img_scale': (8, 8), 'flip': False,
                        'transforms': [{'type': 'ImageToTensor', 'keys': ['img']},
                                       {'type': 'Collect', 'keys': ['img']}]}]
    dataset = build('VOC20Dataset', tmp_path, img_dir='JPEGImages', ann_dir='SegmentationClass',
                    split='ImageSets/Segmentation/val.txt', pipeline=pipeline)

    class AlwaysCat(torch.nn.Module):
        def forward(self, img, img_metas, return_loss=False, **kwargs):
            return [np.full((8, 8), 7)]

    class Runner:
        iter = 0
        log_buffer = type('Buffer', (), {'output': {}, 'clear': lambda self: None})()
        model = MMDataParallel(AlwaysCat(), device_ids=[])
        logger = None

    Runner.log_buffer.output = {}
    loader = build_dataloader(dataset, 1, 0, dist=False, shuffle=False, persistent_workers=False)
    hook = EvalHook(loader, interval=1, metric='mIoU', pre_eval=True)
    hook._do_evaluate(Runner)
    assert Runner.log_buffer.output['mIoU'] == pytest.approx(0.25)
    assert Runner.log_buffer.output['mIoU(U)'] == 0
