"""Labels as XML of "CVAT for images 1.1", as masks.

A mask there is a list of run lengths, row by row within its tight box; the
first run is one of zeros. COCO's RLE goes by columns through the whole picture.
"""

from __future__ import annotations

from typing import Iterable, Iterator, Optional, Sequence
from xml.etree import ElementTree

from mmseg_maskclip.formats.picture import (
    ClassMask,
    LabelledPicture,
    class_masks,
    hex_colour,
    run_lengths,
)
from mmseg_maskclip.utils import InputError

_START = '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n<version>1.1</version>\n'
_END = '</annotations>\n'


def cvat_of(pictures: Sequence[LabelledPicture]) -> str:
    """The XML of some pictures.

    Args:
        pictures: At least one; one mask for each class a picture has.

    Raises:
        InputError: If their classes differ.
    """
    return ''.join(_document((_meta(picture), image_element(picture)) for picture in pictures))


def merge_cvat(parts: Iterable[str]) -> Iterator[str]:
    """One XML out of several, piece by piece.

    Args:
        parts: As :func:`cvat_of` makes them; taken one by one.

    Yields:
        Pieces of the text. The ids of images count from 0.

    Raises:
        InputError: If their classes differ, or a part is no such XML.
    """
    return _document(pair for part in parts for pair in _images(part))


def image_element(picture: LabelledPicture) -> ElementTree.Element:
    """The ``<image>`` of a picture, without an id.

    Args:
        picture: One ``<mask>`` for each class it has.
    """
    height, width = picture.labels.shape
    image = ElementTree.Element('image', {
        'id': '', 'name': picture.file_name, 'width': str(width), 'height': str(height)})
    for mask in class_masks(picture):
        ElementTree.SubElement(image, 'mask', _attributes(picture, mask))
    return image


def _attributes(picture: LabelledPicture, mask: ClassMask) -> dict[str, str]:
    height, width = mask.crop.shape
    return {'label': picture.names[mask.index], 'source': 'auto', 'occluded': '0',
            'rle': ', '.join(map(str, run_lengths(mask.crop).tolist())),
            'left': str(mask.left), 'top': str(mask.top), 'width': str(width),
            'height': str(height), 'z_order': '0'}


def _meta(picture: LabelledPicture) -> ElementTree.Element:
    """The ``<meta>`` of a task: names and colours of its labels."""
    meta = ElementTree.Element('meta')
    task = ElementTree.SubElement(meta, 'task')
    for key, value in (('name', 'mmseg_maskclip'), ('mode', 'annotation'), ('overlap', '0')):
        ElementTree.SubElement(task, key).text = value
    labels = ElementTree.SubElement(task, 'labels')
    for name, colour in zip(picture.names, picture.palette):
        label = ElementTree.SubElement(labels, 'label')
        for key, value in (('name', name), ('color', hex_colour(colour)), ('type', 'any'),
                           ('attributes', '')):
            ElementTree.SubElement(label, key).text = value
    return meta


def _images(part: str) -> Iterator[tuple[ElementTree.Element, ElementTree.Element]]:
    try:
        root = ElementTree.fromstring(part)
    except ElementTree.ParseError as error:
        raise InputError(f'annotations of CVAT cannot be read as XML: {error}.') from error
    meta = root.find('meta')
    if meta is None:
        raise InputError('annotations of CVAT have no <meta>: write them anew.')
    for image in root.iter('image'):
        yield meta, image


def _document(images: Iterable[tuple[ElementTree.Element, ElementTree.Element]]) -> Iterator[str]:
    """Pieces of the XML of images, each of them with the ``<meta>`` of its file."""
    yield _START
    first: Optional[str] = None
    for number, (meta, image) in enumerate(images):
        head = _text(meta)
        if first is None:
            first = head
            yield head
        if head != first:
            raise InputError(f'the annotations of {image.get("name")!r} are of other classes '
                             'than those before: write all of them anew.')
        image.set('id', str(number))
        yield _text(image)
    yield _END


def _text(element: ElementTree.Element) -> str:
    ElementTree.indent(element)
    element.tail = '\n'
    return ElementTree.tostring(element, encoding='unicode')
