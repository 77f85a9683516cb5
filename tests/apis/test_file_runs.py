"""Runs over picture files from Python: what makes results count as others."""

import os
import shutil
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image

from mmseg_maskclip import load, predict_files
from mmseg_maskclip.clip import find_checkpoint, get_spec
from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.utils import InputError

WORDS = ['sky', 'bricks']


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Labels one picture, and says whether that was still to be done."""
    monkeypatch.setenv('MASKCLIP_CACHE', str(tmp_path / 'cache'))
    Image.fromarray(scene(0, 0).image).save(tmp_path / 'a.png')

    def label(words=WORDS, asked='default', **settings):
        model = load('TinyRN', size=64, device='cpu', **settings)
        done = predict_files(model, tmp_path / 'a.png', words, tmp_path / 'out', contrast=asked,
                             progress=False)
        return done.written == 1

    return label


def test_pictures_whose_names_label_files_cannot_hold_are_left_out(tmp_path):
    Image.fromarray(scene(0, 0).image).save(tmp_path / 'a.png')
    bad = ['b\x07.png', 'c\n.png', os.fsdecode(b'caf\xe9.png'), f'{"n" * 251}.png']
    for name in bad:
        shutil.copy(tmp_path / 'a.png', tmp_path / name)
    shutil.copy(tmp_path / 'a.png', tmp_path / f'{"n" * 250}.png')
    model, formats = load('TinyRN', size=64, device='cpu'), ('coco', 'cvat', 'labelme', 'png')
    for times in (1, 2):
        done = predict_files(model, tmp_path, WORDS, tmp_path / 'out', formats=formats,
                             progress=False)
        assert (done.pictures, done.done_before) == (6, 2 * (times - 1))
        assert sorted(done.unreadable) == sorted(str(tmp_path / name) for name in bad)
        assert all('rename the picture' in reason for reason in done.unreadable.values())
        images = ElementTree.parse(tmp_path / 'out/cvat.xml').findall('image')
        assert [image.get('name') for image in images] == ['a.png', f'{"n" * 250}.png']
    with pytest.raises(InputError, match=r"the path 'b\\x07' has control characters"):
        model.predict(tmp_path / bad[0], WORDS).save(tmp_path / 'one')


def test_colours_of_words_count(run, tmp_path):
    words = tmp_path / 'labelmap.txt'
    words.write_text('sky:0,0,255::\nbricks:255,0,0::\n')
    assert run(str(words)) and not run(str(words))
    words.write_text('sky:0,255,0::\nbricks:255,0,0::\n')
    assert run(str(words))
    assert Image.open(tmp_path / 'out/annotations/a.png').getpalette()[:3] == [0, 255, 0]


def test_prompts_of_a_contrast_set_count_wherever_it_is_given(run):
    first, other = {'insect': ['a ladybird']}, {'insect': ['a zebra']}
    assert run(asked=first) and not run(asked=first) and not run(contrast=first)
    assert run(contrast=other) and not run(asked=other)


def test_the_file_that_encodes_words_counts_by_its_content(run, tmp_path):
    first, same = tmp_path / 'text.pth', tmp_path / 'same.pth'
    shutil.copy(find_checkpoint(get_spec('TinyRN')), first)
    shutil.copy(first, same)
    assert run() and not run(clip_weights=first) and not run(clip_weights=same)
    content = torch.load(first)
    weights = content.get('state_dict', content)
    weights['text_projection'] = -weights['text_projection']
    torch.save(content, first)
    # Nor are the embeddings of names taken from the cache of another file.
    before = np.array(Image.open(tmp_path / 'out/annotations/a.png'))
    assert run(clip_weights=first)
    assert (np.array(Image.open(tmp_path / 'out/annotations/a.png')) != before).any()
