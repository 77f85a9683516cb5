"""CVAT's XML, its run lengths worked out by hand."""

from xml.etree import ElementTree

import numpy as np
import pytest

from mmseg_maskclip.formats import cvat_of, merge_cvat
from mmseg_maskclip.utils import InputError

from helpers.labelled import NAMES, picture_of

LABELS = np.array([[255, 0, 0, 255],
                   [255, 0, 2, 0],
                   [255, 1, 0, 0],
                   [1, 255, 255, 255]], np.uint8)
#: Class 0 within its box is 110 101 011, class 1 is 01 10, class 2 is 1.
MASKS = [(NAMES[0], '0, 2, 1, 1, 1, 1, 1, 2', '1', '0', '3', '3'),
         (NAMES[1], '1, 2, 1', '0', '2', '2', '2'),
         (NAMES[2], '0, 1', '2', '1', '1', '1')]


def masks_in(image):
    return [tuple(mask.get(key) for key in ('label', 'rle', 'left', 'top', 'width', 'height'))
            for mask in image.iter('mask')]


def test_runs_go_by_rows_within_the_box():
    root = ElementTree.fromstring(cvat_of([picture_of(LABELS, 'x/a & b.jpg')]))
    assert root.tag == 'annotations' and root.find('version').text == '1.1'
    assert [label.find('name').text for label in root.iterfind('meta/task/labels/label')] == [
        *NAMES]
    assert root.find('meta/task/labels/label[2]/color').text == '#804080'
    image = root.find('image')
    assert image.attrib == {'id': '0', 'name': 'x/a & b.jpg', 'width': '4', 'height': '4'}
    assert masks_in(image) == MASKS
    assert {(mask.get('occluded'), mask.get('z_order')) for mask in image} == {('0', '0')}


def test_merging_numbers_the_images():
    pictures = [picture_of(LABELS, 'a.jpg'), picture_of(LABELS[:1, :1], 'empty.jpg'),
                picture_of(LABELS, 'c.jpg')]
    merged = ''.join(merge_cvat(cvat_of([picture]) for picture in pictures))
    assert merged == cvat_of(pictures)
    root = ElementTree.fromstring(merged)
    assert [(image.get('id'), image.get('name'), len(image)) for image in root.iter('image')] == [
        ('0', 'a.jpg', 3), ('1', 'empty.jpg', 0), ('2', 'c.jpg', 3)]
    assert len(root.findall('meta')) == 1


@pytest.mark.parametrize('part, message', [
    (cvat_of([picture_of(LABELS, 'b.jpg', ('sky', 'sea'))]), "of 'b.jpg' are of other classes"),
    ('<annotations><image/></annotations>', 'have no <meta>'), ('{}', 'read as XML'),
])
def test_other_classes_or_files_are_not_merged(part, message):
    with pytest.raises(InputError, match=message):
        ''.join(merge_cvat([cvat_of([picture_of(LABELS, 'a.jpg')]), part]))
