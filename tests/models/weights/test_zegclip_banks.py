"""The text embeddings of ZegCLIP's code, bare arrays, in the place of a text bank."""

import numpy as np
import pytest
from mmseg.datasets import DATASETS

from mmseg_maskclip.clip import get_spec, load_vocabulary
from mmseg_maskclip.models.weights.text import named_bank
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.configs import CONFIGS, loaded
from helpers.samples import drawn_text, real_text

# The file that each published config reads.
FILES = {'voc12_single.npy': 'zegclip_vit16_512x512_20k_voc12aug_20',
         'coco_multi.npy': 'zegclip_vit16_512x512_80k_coco-stuff164k'}
SPEC = get_spec('ViT-B/16')


def _config(file):
    return loaded(CONFIGS / f'zegclip/{FILES[file]}.py')


@pytest.fixture(scope='module', params=['drawn', 'real'])
def folder(request, tmp_path_factory):
    """Where the two files are; the real ones where MASKCLIP_SAMPLES is."""
    if request.param == 'drawn':
        return drawn_text(tmp_path_factory.mktemp('text'), {
            file: DATASETS.get(_config(file).data.train.type).CLASSES for file in FILES})
    found = real_text()
    if found is None:
        pytest.skip('MASKCLIP_SAMPLES is not set')
    return found


def _bank(folder, file):
    head = _config(file).model.decode_head
    return named_bank(folder / file, head.vocabulary, (head.num_classes, head.text_channels), SPEC)


def test_a_config_s_classes_are_the_rows_of_its_file(folder):
    """A name in both files is nearest to itself: each list has the order of its file."""
    voc, stuff = (_bank(folder, file) for file in FILES)
    assert voc.normalized and stuff.normalized
    names = [load_vocabulary(_config(file).model.decode_head.vocabulary).class_names
             for file in FILES]
    shared = sorted(set(names[0]) & set(names[1]))
    assert len(shared) >= 14
    nearest = (voc.unit().embeddings @ stuff.unit().embeddings.T).argmax(1).tolist()
    for name in shared:
        assert names[1][nearest[names[0].index(name)]] == name


@cases('file', FILES)
def test_rows_that_are_too_few_or_of_another_width_are_refused(folder, file, tmp_path):
    rows = np.load(folder / file)
    for cut in (rows[:-1], rows[:, :-1]):
        np.save(tmp_path / file, cut)
        with pytest.raises(InputError, match=f'has the shape .*expected .*{rows.shape[0]}') as told:
            _bank(tmp_path, file)
        assert '\n' not in str(told.value)
    other = 'coco_multi.npy' if file.startswith('voc') else 'voc12_single.npy'
    np.save(tmp_path / file, np.load(folder / other))
    with pytest.raises(InputError, match=f'has the shape .*expected .*{rows.shape[0]}, 512'):
        _bank(tmp_path, file)
