"""The folder of a run over picture files."""

import threading

import numpy as np
import pytest
from PIL import Image

from mmseg_maskclip.engine.predict.listing import PictureFile
from mmseg_maskclip.engine.predict.results import ResultFolder, in_background, state_of
from mmseg_maskclip.formats import LabelledPicture


def test_results_that_were_half_written_do_not_count(tmp_path):
    """Neither with the new settings nor with the old ones, of which some files are left."""
    path = tmp_path / 'a.png'
    Image.new('RGB', (2, 1)).save(path)
    file, state = PictureFile(str(path), 'a'), state_of(path)
    labelled = LabelledPicture('a.png', np.zeros((1, 2), np.uint8), ('cat',), ((1, 2, 3),))
    old, new = (ResultFolder(tmp_path / 'out', ('png',), 0.5, {'threshold': threshold})
                for threshold in (0.0, 0.5))
    old.write(file, state, labelled, Image.new('RGB', (2, 1)), {})
    assert old.is_done(file, state) and not new.is_done(file, state)

    class Broken:
        def save(self, path):
            raise OSError('no space left')

    with pytest.raises(OSError, match='no space'):
        new.write(file, state, labelled, Broken(), {})
    assert not old.is_done(file, state) and not new.is_done(file, state)
    assert sorted(one.name for one in (tmp_path / 'out').rglob('*') if one.is_file()) == [
        'a.png', 'a.png', 'classes.txt']


def test_work_in_the_background_is_bounded_and_in_order():
    go, done = threading.Event(), []

    def work(number):
        assert go.wait(10)
        done.append(number)

    with in_background() as hand_over:
        handing = threading.Thread(target=lambda: [hand_over(work, number) for number in range(5)])
        handing.start()
        handing.join(0.2)
        assert handing.is_alive() and not done
        go.set()
        handing.join(10)
    assert done == [0, 1, 2, 3, 4]


def test_what_fails_in_the_background_ends_the_run():
    def fail():
        raise ValueError('disk')

    with pytest.raises(ValueError, match='disk'), in_background() as hand_over:
        hand_over(fail)
