"""Reads LabelMe files with LabelMe's own loader; runs in an environment of its own.

    python labelme_reader.py FILE.json...

Prints JSON: the version, and the masks of each file by label.
"""

import importlib.abc
import importlib.machinery
import io
import json
import sys
from unittest.mock import MagicMock

import numpy as np
from PIL import Image


class NoQt(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Stands for Qt, which the loader imports and doesn't use: it needs libraries of a desktop."""

    def find_spec(self, name, path=None, target=None):
        if name.split('.')[0] in ('PyQt5', 'PyQt6', 'PySide6', 'qtpy'):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        return MagicMock(__path__=[], __spec__=spec)

    def exec_module(self, module):
        pass


def masks_of(path):
    # Imported here: Qt is replaced first.
    from labelme._label_file import read_label_file

    found = read_label_file(filename=path)
    width, height = Image.open(io.BytesIO(found.image_data)).size
    masks = {}
    for shape in found.shapes:
        (left, top), (right, bottom) = np.array(shape['points']).astype(int)
        mask = np.zeros((height, width), dtype=bool)
        # As LabelMe's own shapes_to_label: the last pixel belongs to the box.
        mask[top:bottom + 1, left:right + 1] = shape['mask']
        masks[shape['label']] = mask.tolist()
    return masks


if __name__ == '__main__':
    sys.meta_path.insert(0, NoQt())
    import labelme
    print(json.dumps({'version': labelme.__version__,
                      'masks': [masks_of(path) for path in sys.argv[1:]]}))
