"""LabelMe's JSON, its masks read by Pillow."""

import base64
import io
import json

import numpy as np
from PIL import Image

from mmseg_maskclip.formats import labelme_of

from helpers.labelled import hard_labels, masks_of, picture_of


def test_masks_between_two_corners():
    labels = hard_labels()
    found = json.loads(json.dumps(labelme_of(picture_of(labels))))
    shapes = found.pop('shapes')
    assert isinstance(found.pop('version'), str)
    assert found == {'flags': {}, 'imagePath': 'a b.png', 'imageData': None, 'imageHeight': 37,
                     'imageWidth': 53}
    masks = {}
    for shape in shapes:
        (left, top), (right, bottom) = np.array(shape['points']).astype(int)
        crop = np.array(Image.open(io.BytesIO(base64.b64decode(shape['mask']))))
        mask = masks[shape['label']] = np.zeros((37, 53), bool)
        mask[top:bottom + 1, left:right + 1] = crop
        # Tight: each side of the box has a pixel.
        assert crop[0].any() and crop[-1].any() and crop[:, 0].any() and crop[:, -1].any()
        assert (shape['shape_type'], shape['group_id'], shape['flags']) == ('mask', None, {})
        assert isinstance(shape['description'], str)
    assert {name: mask.tolist() for name, mask in masks.items()} == masks_of(labels)
    assert labelme_of(picture_of(labels), '../x/a.jpg')['imagePath'] == '../x/a.jpg'
