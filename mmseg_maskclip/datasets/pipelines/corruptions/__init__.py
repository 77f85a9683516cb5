"""Image corruptions of ImageNet-C (Hendrycks and Dietterich, 2019): the fifteen, and three more.

Each takes an RGB picture in [0, 1], (H, W, 3) float32, its parameter for the
severity and a random state, and returns a picture of that shape, not clipped
yet. Parameters and formulas are those of the public benchmark for pictures of
any size, the package imagecorruptions 1.1.2 (Michaelis et al., 2019); its code
is not used. Frost alone is another one, see :mod:`.frost`.
"""

from __future__ import annotations

import numpy as np

from mmseg_maskclip.datasets.pipelines.corruptions.blur import (
    defocus_blur,
    gaussian_blur,
    glass_blur,
    motion_blur,
    zoom_blur,
)
from mmseg_maskclip.datasets.pipelines.corruptions.digital import (
    contrast,
    elastic_transform,
    jpeg_compression,
    pixelate,
)
from mmseg_maskclip.datasets.pipelines.corruptions.frost import frost
from mmseg_maskclip.datasets.pipelines.corruptions.noise import (
    gaussian_noise,
    impulse_noise,
    shot_noise,
    speckle_noise,
)
from mmseg_maskclip.datasets.pipelines.corruptions.spatter import spatter
from mmseg_maskclip.datasets.pipelines.corruptions.weather import brightness, fog, snow

#: Name -> the operator and its parameter for severities 1 to 5.
CORRUPTIONS = {
    'gaussian_noise': (gaussian_noise, (0.08, 0.12, 0.18, 0.26, 0.38)),
    'shot_noise': (shot_noise, (60, 25, 12, 5, 3)),
    'impulse_noise': (impulse_noise, (0.03, 0.06, 0.09, 0.17, 0.27)),
    'speckle_noise': (speckle_noise, (0.15, 0.2, 0.35, 0.45, 0.6)),
    'gaussian_blur': (gaussian_blur, (1, 2, 3, 4, 6)),
    'defocus_blur': (defocus_blur, ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))),
    'spatter': (spatter, ((0.65, 0.3, 4, 0.69, 0.6, 0), (0.65, 0.3, 3, 0.68, 0.6, 0),
                          (0.65, 0.3, 2, 0.68, 0.5, 0), (0.65, 0.3, 1, 0.65, 1.5, 1),
                          (0.67, 0.4, 1, 0.65, 1.5, 1))),
    'jpeg_compression': (jpeg_compression, (25, 18, 15, 10, 7)),
    'glass_blur': (glass_blur, ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))),
    'motion_blur': (motion_blur, ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))),
    'zoom_blur': (zoom_blur, tuple(np.arange(1, end, step) for end, step in (
        (1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)))),
    'snow': (snow, ((0.1, 0.3, 3, 0.5, 10, 4, 0.8), (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
                    (0.55, 0.3, 4, 0.9, 12, 8, 0.7), (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
                    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55))),
    'frost': (frost, ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))),
    'fog': (fog, ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))),
    'brightness': (brightness, (0.1, 0.2, 0.3, 0.4, 0.5)),
    'contrast': (contrast, (0.4, 0.3, 0.2, 0.1, 0.05)),
    'elastic_transform': (elastic_transform, tuple(
        250 * share for share in (0.05, 0.065, 0.085, 0.1, 0.12))),
    'pixelate': (pixelate, (0.6, 0.5, 0.4, 0.3, 0.25)),
}
#: The fifteen of the benchmark, in its order.
BENCHMARK = (
    'gaussian_noise', 'shot_noise', 'impulse_noise',
    'defocus_blur', 'glass_blur', 'motion_blur', 'zoom_blur',
    'snow', 'frost', 'fog', 'brightness',
    'contrast', 'elastic_transform', 'pixelate', 'jpeg_compression',
)
