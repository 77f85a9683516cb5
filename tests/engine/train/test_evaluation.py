"""Our data sets under the evaluation hook of mmseg, in a real runner."""

import json
import logging

import pytest
import torch
from mmcv.parallel import MMDataParallel
from mmcv.runner import IterBasedRunner
from mmseg.core import EvalHook
from mmseg.datasets import build_dataloader
from torch import nn

from mmseg_maskclip.engine.build import build_model, build_test_dataset
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.test import TestOptions, test_model
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.utils import InputError

from helpers.tools import ROOT

CONFIG = str(ROOT / 'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py')


class _Trained(nn.Module):
    """MaskCLIP with something to step: one parameter."""

    def __init__(self, segmentor):
        super().__init__()
        self.segmentor = segmentor
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, **kwargs):
        return self.segmentor(**kwargs)

    def train_step(self, data, optimizer):
        loss = (self.weight ** 2).sum()
        return dict(loss=loss, log_vars=dict(loss=loss.item()), num_samples=1)


@pytest.fixture
def config(tiny_world):
    return load_config(CONFIG, {'data.test.data_root': str(tiny_world),
                                'data.workers_per_gpu': 0})


def test_hook_gives_the_figures_of_the_test_tool(config, tiny_rn, tmp_path):
    dataset = build_test_dataset(config)
    model = build_model(config)
    load_weights(model, tiny_rn)
    model.CLASSES, model.PALETTE = dataset.CLASSES, dataset.PALETTE
    loader = build_dataloader(dataset, 1, 0, num_gpus=1, dist=False, shuffle=False,
                              persistent_workers=False)
    trained = MMDataParallel(_Trained(model), device_ids=[])
    runner = IterBasedRunner(
        trained, optimizer=torch.optim.SGD(trained.parameters(), lr=0.1),
        work_dir=str(tmp_path), logger=logging.getLogger('in training'), max_iters=1)
    hook = EvalHook(loader, interval=1, metric='mIoU', pre_eval=True, save_best='mIoU')
    runner.register_training_hooks(dict(policy='fixed'), checkpoint_config=None, log_config=None)
    runner.register_hook(hook, priority='LOW')
    runner.run([loader], [('train', 1)])
    expected = test_model(config, str(tiny_rn), TestOptions(['mIoU'], work_dir=str(tmp_path)))
    found = runner.log_buffer.output
    for name in ('mIoU', 'aAcc', 'mIoU(S)', 'mIoU(U)', 'hIoU'):
        assert found[name] == pytest.approx(expected[name], abs=1e-4)
    assert list(tmp_path.glob('best_mIoU_*.pth'))


def test_metrics_need_sums_and_not_maps(config, tiny_rn, tmp_path, monkeypatch):
    """Only sums are kept: after any number of images there are 4 x K numbers."""
    from mmseg_maskclip.engine import test
    sizes = []
    original = test._Totals.add

    def watched(self, per_image):
        original(self, per_image)
        sizes.append(self.areas.numel())

    monkeypatch.setattr(test._Totals, 'add', watched)
    test_model(config, str(tiny_rn), TestOptions(['mIoU'], work_dir=str(tmp_path)))
    assert sizes == [4 * 14] * 6
    record = json.loads(next(tmp_path.glob('eval_*.json')).read_text())
    assert record['metric']['mIoU'] is not None


def test_wrong_number_of_classes_is_told_before_the_run(config, tiny_rn, tmp_path):
    config.model.decode_head.num_classes = 2
    config.model.decode_head.vocabulary = ['sky', 'grass']
    with pytest.raises(InputError, match='2 classes.*14'):
        test_model(config, str(tiny_rn), TestOptions(['mIoU'], work_dir=str(tmp_path)))
