"""What people call from Python."""

from mmseg_maskclip.apis.segmentor import init_segmentor
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.test import TestOptions, test_model
from mmseg_maskclip.engine.train.resume import TrainOptions
from mmseg_maskclip.engine.train.train import train_model
from mmseg_maskclip.models.weights.load import load_weights

__all__ = ['TestOptions', 'TrainOptions', 'build_model', 'init_segmentor', 'load_config',
           'load_weights', 'test_model', 'train_model']
