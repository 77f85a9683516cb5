"""The folder of a run over picture files."""

import numpy as np
import pytest
from PIL import Image

from mmseg_maskclip.formats import LabelledPicture
from mmseg_maskclip.portable.listing import PictureFile
from mmseg_maskclip.portable.results import ResultFolder, state_of


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
