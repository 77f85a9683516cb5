"""Importing this registers everything with mmseg.

In a config::

    custom_imports = dict(imports=['mmseg_maskclip.register'], allow_failed_imports=False)
"""

from mmseg_maskclip import datasets, models
from mmseg_maskclip.engine.train import ema

__all__ = ['datasets', 'ema', 'models']
