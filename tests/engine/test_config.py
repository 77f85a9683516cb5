"""Options that are merged into a config: what fits, and what is told."""

import pytest

from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.tools import ROOT

CONFIG = str(ROOT / 'configs/tiny/maskclip_plus_tinyrn_deeplabv2_tiny_256x256_400_tinyworld.py')
LOSS = dict(type='CrossEntropyLoss', loss_weight=0.5)


@cases('key, value', [
    ('evaluation', False), ('evaluation', None), ('model.labelling', None),
    ('model.decode_head.loss_decode', [LOSS, LOSS]), ('optimizer.lr', 1),
    ('data.train.pipeline.3.crop_size', (64, 32)), ('model.decode_head.decoder.in_index', 1),
    ('model.decode_head.vocabulary', 'voc'), ('model.labelling.self_train', [5, -1]),
])
def test_what_fits_is_taken(key, value):
    found = load_config(CONFIG, {key: value})
    for word in key.split('.'):
        found = found[int(word)] if word.isdecimal() else found[word]
    assert found == value


@pytest.mark.parametrize(('key', 'value', 'words'), [
    ('data.train.pipeline.²', 3, '--cfg-options .* cannot be built from the config'),
    ('data.train.pipeline.99.x', 3, '--cfg-options .* cannot be built from the config'),
])
def test_what_does_not_fit_is_told(key, value, words):
    with pytest.raises(InputError, match=words):
        load_config(CONFIG, {key: value})
