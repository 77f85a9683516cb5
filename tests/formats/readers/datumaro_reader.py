"""Reads COCO or CVAT annotations with datumaro; runs in an environment of its own.

    python datumaro_reader.py FORMAT FOLDER

Prints JSON: the version, and by the name of each picture its masks by label.
"""

import json
import sys

import datumaro
import numpy as np
from datumaro.components.annotation import AnnotationType


def masks_of(item, names):
    return {names[found.label].name: np.asarray(found.image, dtype=bool).tolist()
            for found in item.annotations if found.type == AnnotationType.mask}


if __name__ == '__main__':
    dataset = datumaro.Dataset.import_from(sys.argv[2], sys.argv[1])
    labels = dataset.categories()[AnnotationType.label].items
    print(json.dumps({'version': datumaro.__version__, 'labels': [label.name for label in labels],
                      'masks': {item.id: masks_of(item, labels) for item in dataset}}))
