"""COCO's JSON, read by pycocotools, and by eye."""

import json

import numpy as np
import pytest
from pycocotools.coco import COCO

from mmseg_maskclip.formats import coco_of, merge_coco
from mmseg_maskclip.utils import InputError

from helpers.labelled import NAMES, hard_labels, masks_of, picture_of

SMALL = np.array([[255, 1, 1, 255],
                  [255, 0, 1, 255],
                  [255, 255, 255, 255]], np.uint8)


def loaded(content, path):
    path.write_text(json.dumps(content), encoding='utf-8')
    return COCO(path)


def test_all_keys_of_a_small_picture():
    found = coco_of(picture_of(SMALL, 'x/a.jpg', scores=None), image_id=7, first_id=3)
    assert found['images'] == [{'id': 7, 'file_name': 'x/a.jpg', 'width': 4, 'height': 3}]
    assert [(item['id'], item['name']) for item in found['categories']] == [
        *enumerate(NAMES, start=1)]
    assert all(isinstance(item.pop('segmentation')['counts'], str) for item in found['annotations'])
    assert found['annotations'] == [
        {'id': 3, 'image_id': 7, 'category_id': 1, 'area': 1, 'bbox': [1, 1, 1, 1], 'iscrowd': 0},
        {'id': 4, 'image_id': 7, 'category_id': 2, 'area': 3, 'bbox': [1, 0, 2, 2], 'iscrowd': 0}]


def test_masks_come_back_merged_or_alone(tmp_path):
    """Of two sizes, with a picture between them where nothing is found."""
    labels = {'a.jpg': hard_labels(), 'empty.jpg': np.full((5, 4), 255, np.uint8),
              'b/c.jpg': hard_labels().T[3:]}
    parts = [coco_of(picture_of(ids, name)) for name, ids in labels.items()]
    coco = loaded(merge_coco(iter(parts)), tmp_path / 'all.json')
    assert coco.getImgIds() == [1, 2, 3] and coco.getAnnIds() == [*range(1, 11)]
    for number, (name, ids) in enumerate(labels.items(), start=1):
        assert coco.imgs[number]['file_name'] == name
        annotations = coco.loadAnns(coco.getAnnIds(number))
        masks = {coco.cats[found['category_id']]['name']: coco.annToMask(found).astype(bool)
                 for found in annotations}
        assert {key: mask.tolist() for key, mask in masks.items()} == masks_of(ids)
        assert [found['area'] for found in annotations] == [mask.sum() for mask in masks.values()]
    assert [found['score'] for found in coco.loadAnns(coco.getAnnIds(3))] == [.9, .8, .7, .6, .5]
    assert merge_coco([])['images'] == []


def test_other_classes_are_not_merged():
    parts = [coco_of(picture_of(SMALL, 'a.jpg')),
             coco_of(picture_of(SMALL, 'b.jpg', ('sky', 'sea'), None))]
    with pytest.raises(InputError, match=r"of 'b.jpg' are of other classes than those of 'a.jpg'"):
        merge_coco(parts)
