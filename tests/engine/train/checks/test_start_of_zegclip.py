"""What a run of ZegCLIP may start from."""

import json

import pytest
import torch
from mmcv import Config

from mmseg_maskclip.engine.train.checks.zegclip import require_start
from mmseg_maskclip.engine.train.resume import TrainOptions
from mmseg_maskclip.utils import InputError

NAMES = ['a', 'b', 'c', 'd']


@pytest.mark.parametrize('unseen', [[1, 3], (1, 3), range(1, 4, 2)])
@pytest.mark.parametrize('mode', [{'mode': 'inductive'}, {}])
def test_labels_of_unseen_classes_are_found_in_any_form_of_both_configs(unseen, mode, tmp_path):
    head = {'vocabulary': NAMES}
    trained = {'type': 'ZegClip', 'unseen': [3], 'decode_head': head, **mode}
    torch.save({'state_dict': {'weight': torch.zeros(1)},
                'meta': {'model': json.dumps(trained)}}, tmp_path / 'before.pth')
    options = TrainOptions(str(tmp_path), load_from=str(tmp_path / 'before.pth'))
    config = Config({'model': {'type': 'ZegClip', 'unseen': unseen, 'decode_head': head}})
    with pytest.raises(InputError, match=r'trained with the labels of classes \[1\]'):
        require_start(config, options, resuming=False)
    config.model.unseen = [3]
    require_start(config, options, resuming=False)
