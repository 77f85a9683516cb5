"""Each format read back by other people's readers, the masks equal to the last pixel."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_maskclip.formats import FORMATS, merge_formats, write_formats

from helpers.labelled import NAMES, hard_labels, masks_of, picture_of

READERS = Path(__file__).parent / 'readers'
#: By the name of each picture, without the suffix: odd sizes, both orientations, nothing found.
LABELS = {'a': hard_labels(), 'sub/b & c': hard_labels().T[1:].copy(),
          'empty': np.full((5, 7), 255, np.uint8)}

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def run(tmp_path_factory):
    """Pictures, and their labels in all formats, merged where they can be."""
    root = tmp_path_factory.mktemp('run')
    for name, labels in LABELS.items():
        source = root / f'pictures/{name}.png'
        source.parent.mkdir(parents=True, exist_ok=True)
        Image.new('RGB', labels.shape[::-1], (9, 90, 200)).save(source)
        write_formats(root / 'out', name, picture_of(labels, f'{name}.png'), [*FORMATS], source)
    merge_formats(root / 'out', [*LABELS], [*FORMATS])
    return root


@pytest.fixture(scope='module')
def read():
    """Run a reader in its environment, made where missing: what it prints."""
    made = subprocess.run(['bash', str(READERS / 'make.sh')], stdout=subprocess.PIPE, text=True,
                          check=True)
    folder = Path(made.stdout.strip())

    def reader(name, *args):
        python = folder / ('labelme' if name == 'labelme' else 'others') / 'bin/python'
        found = subprocess.run([str(python), str(READERS / f'{name}_reader.py'), *map(str, args)],
                               stdout=subprocess.PIPE, text=True, check=True)
        result = json.loads(found.stdout.splitlines()[-1])
        print(name, result['version'])
        return result

    return reader


def test_labelme_reads_its_json(run, read):
    files = [run / f'out/labelme/{name}.json' for name in LABELS]
    assert read('labelme', *files)['masks'] == [masks_of(labels) for labels in LABELS.values()]


def test_label_studio_reads_its_tasks(run, read):
    found = read('label_studio', run / 'out/labelstudio.json', run / 'out/labelstudio_config.xml')
    assert found['objections'] == [[]] * 3
    urls = [f'/data/local-files/?d=pictures/{name}.png'
            for name in ('a', 'sub/b%20%26%20c', 'empty')]
    assert found['masks'] == dict(zip(urls, map(masks_of, LABELS.values())))


@pytest.mark.parametrize('form, file', [
    ('cvat', 'cvat.xml'), ('coco_instances', 'annotations/instances_default.json')])
def test_datumaro_reads_cvat_and_coco(run, read, tmp_path, form, file):
    """Laid out as datumaro wants it: annotations, and ``images`` beside."""
    target = tmp_path / file
    target.parent.mkdir(exist_ok=True)
    shutil.copy(run / 'out' / ('cvat.xml' if form == 'cvat' else 'coco.json'), target)
    images = tmp_path / ('images' if form == 'cvat' else 'images/default')
    shutil.copytree(run / 'pictures', images)
    found = read('datumaro', form, tmp_path)
    assert found['labels'] == [*NAMES]
    assert found['masks'] == {name: masks_of(labels) for name, labels in LABELS.items()}
