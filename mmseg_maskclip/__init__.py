"""Dense labels from CLIP, without annotations, on mmsegmentation."""

from mmseg_maskclip.mmcv_compat import prepare_host_or_leave

__version__ = '0.1.0'

prepare_host_or_leave()

from mmseg_maskclip import datasets, models  # noqa: E402,F401  (registration)
