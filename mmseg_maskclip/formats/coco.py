"""Labels as COCO's JSON: a mask of each class a picture has, as a compressed RLE.

Polygons have no holes, so there are none. What the keys are is described at
https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from typing import Any, Iterable, Iterator

from mmseg_maskclip import __version__
from mmseg_maskclip.formats.picture import ClassMask, LabelledPicture, class_masks
from mmseg_maskclip.utils import InputError


def coco_of(picture: LabelledPicture, image_id: int = 1, first_id: int = 1) -> dict[str, Any]:
    """What COCO's JSON says of one picture.

    Args:
        picture: One annotation for each class it has.
        image_id: Id of the picture.
        first_id: Id of its first annotation.

    Returns:
        ``info``, ``licenses``, ``images``, ``categories`` and ``annotations``, in JSON's
        types. The id of a category is the index of its class + 1. Annotations have
        a ``score`` where the picture has scores.
    """
    height, width = picture.labels.shape
    return {
        **_head(),
        'categories': [{'id': index + 1, 'name': name, 'supercategory': ''}
                       for index, name in enumerate(picture.names)],
        'images': [{'id': image_id, 'file_name': picture.file_name, 'width': width,
                    'height': height}],
        'annotations': [_annotation(picture, mask, image_id, first_id + number)
                        for number, mask in enumerate(class_masks(picture))]}


def merge_coco(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """One set of pictures out of several.

    Args:
        parts: As :func:`coco_of` makes them; taken one by one, masks stay compressed.

    Returns:
        The same keys; ids of images and of annotations count from 1.

    Raises:
        InputError: If parts have other categories than the first.
    """
    merged: dict[str, Any] = {**_head(), 'categories': [], 'images': [], 'annotations': []}
    for part in renumbered(parts):
        merged['categories'] = part['categories']
        merged['images'] += part['images']
        merged['annotations'] += part['annotations']
    return merged


def renumbered(parts: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Parts whose ids go on from one to the next, from 1; the parts themselves stay as they are.

    Args:
        parts: As :func:`coco_of` makes them; taken one by one.

    Raises:
        InputError: If parts have other categories than the first.
    """
    first: dict[str, Any] = {}
    images = annotations = 0
    for part in parts:
        first = first or {key: part[key] for key in ('categories', 'images')}
        if part['categories'] != first['categories']:
            raise InputError(f'the annotations of {_file_names(part)} are of other classes than '
                             f'those of {_file_names(first)}: write all of them anew.')
        ids = {image['id']: number for number, image in enumerate(part['images'], images + 1)}
        yield {**part,
               'images': [{**image, 'id': ids[image['id']]} for image in part['images']],
               'annotations': [{**found, 'id': number, 'image_id': ids[found['image_id']]}
                               for number, found in enumerate(part['annotations'],
                                                              annotations + 1)]}
        images += len(part['images'])
        annotations += len(part['annotations'])


def _head() -> dict[str, Any]:
    return {'info': {'description': f'Made by mmseg_maskclip {__version__}', 'version': '1.0'},
            'licenses': []}


def _file_names(part: dict[str, Any]) -> str:
    return ', '.join(repr(image['file_name']) for image in part['images'][:1])


def _annotation(picture: LabelledPicture, mask: ClassMask, image_id: int,
                annotation_id: int) -> dict[str, Any]:
    from pycocotools.mask import encode

    height, width = mask.crop.shape
    rle = encode(mask.placed(picture.labels.shape, order='F'))
    found = {
        'id': annotation_id, 'image_id': image_id, 'category_id': mask.index + 1,
        # pycocotools gives bytes, which JSON has not.
        'segmentation': {'size': list(picture.labels.shape),
                         'counts': rle['counts'].decode('ascii')},
        'area': int(mask.crop.sum()), 'bbox': [mask.left, mask.top, width, height],
        # Trainers leave out what is marked as a crowd.
        'iscrowd': 0}
    if picture.scores is not None:
        found['score'] = float(picture.scores[mask.index])
    return found
