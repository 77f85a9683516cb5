"""Pipeline steps registered with mmseg."""

from mmseg_maskclip.datasets.pipelines.corrupt import Corrupt, corrupt_image
from mmseg_maskclip.datasets.pipelines.corruptions import BENCHMARK, CORRUPTIONS
from mmseg_maskclip.datasets.pipelines.load_labels import LoadLabels

__all__ = ['BENCHMARK', 'CORRUPTIONS', 'Corrupt', 'LoadLabels', 'corrupt_image']
