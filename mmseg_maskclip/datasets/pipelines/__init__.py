"""Pipeline steps registered with mmseg."""

from mmseg_maskclip.datasets.pipelines.corrupt import Corrupt, corrupt_image
from mmseg_maskclip.datasets.pipelines.corruptions import CORRUPTIONS

__all__ = ['CORRUPTIONS', 'Corrupt', 'corrupt_image']
