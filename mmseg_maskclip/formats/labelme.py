"""Labels as LabelMe's JSON: shapes of type ``mask``, which may have holes.

LabelMe, AnyLabeling and X-AnyLabeling read it. The older XML of the same name
is another format.
"""

from __future__ import annotations

import base64
import io
from typing import Any, Optional

import numpy as np
from PIL import Image

from mmseg_maskclip.formats.picture import ClassMask, LabelledPicture, class_masks

# Of the tool whose format this is.
_VERSION = '6.0.0'


def labelme_of(picture: LabelledPicture, image_path: Optional[str] = None) -> dict[str, Any]:
    """What LabelMe's JSON says of a picture.

    Args:
        picture: One shape for each class it has.
        image_path: The picture's file, with ``/``, relative to the folder of
            the JSON file; the picture's file name by default.

    Returns:
        The file's content, in JSON's types; the picture itself is not in it.
    """
    height, width = picture.labels.shape
    return {'version': _VERSION, 'flags': {},
            'shapes': [_shape(picture, mask) for mask in class_masks(picture)],
            'imagePath': picture.file_name if image_path is None else image_path,
            'imageData': None, 'imageHeight': height, 'imageWidth': width}


def _shape(picture: LabelledPicture, mask: ClassMask) -> dict[str, Any]:
    height, width = mask.crop.shape
    score = '' if picture.scores is None else f'score {picture.scores[mask.index]:.3f}'
    return {'label': picture.names[mask.index],
            # The last pixel belongs to the box.
            'points': [[float(mask.left), float(mask.top)],
                       [float(mask.left + width - 1), float(mask.top + height - 1)]],
            'group_id': None, 'description': score, 'shape_type': 'mask', 'flags': {},
            'mask': _png(mask.crop)}


def _png(crop: np.ndarray) -> str:
    """A PNG of 0 and 1, as LabelMe itself writes it, in base64."""
    buffer = io.BytesIO()
    Image.fromarray(crop.astype(np.uint8)).save(buffer, format='PNG')
    return base64.b64encode(buffer.getvalue()).decode('ascii')
