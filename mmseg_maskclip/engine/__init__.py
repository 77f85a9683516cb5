"""How a run works: config, data and model, inference, testing, what is recorded."""

import mmseg_maskclip.mmcv_compat  # noqa: F401  (before anything imports mmseg)
