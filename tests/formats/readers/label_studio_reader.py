"""Reads Label Studio's tasks with its SDK; runs in an environment of its own.

    python label_studio_reader.py TASKS.json CONFIG.xml

Prints JSON: the version, what the SDK objects to in the predictions of each task under
the labelling config, and by the URL of each picture its masks by label.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from label_studio_sdk.converter.brush import decode_rle
from label_studio_sdk.label_interface import LabelInterface


def masks_of(task):
    masks = {}
    for brush in task['predictions'][0]['result']:
        size = brush['original_height'], brush['original_width'], 4
        pixels = np.reshape(decode_rle(brush['value']['rle']), size)
        # As the SDK's own export: the last channel.
        masks[brush['value']['brushlabels'][0]] = (pixels[..., 3] > 0).tolist()
    return masks


if __name__ == '__main__':
    tasks = json.loads(Path(sys.argv[1]).read_text(encoding='utf-8'))
    interface = LabelInterface(Path(sys.argv[2]).read_text(encoding='utf-8'))
    objections = [interface.validate_prediction(prediction, return_errors=True)
                  for task in tasks for prediction in task['predictions']]
    print(json.dumps({'version': version('label-studio-sdk'), 'objections': objections,
                      'masks': {task['data']['image']: masks_of(task) for task in tasks}}))
