"""The pipeline step that corrupts an image."""

from __future__ import annotations

import hashlib

import numpy as np
from mmseg.datasets.builder import PIPELINES

from mmseg_maskclip.datasets.pipelines.corruptions import CORRUPTIONS
from mmseg_maskclip.utils import InputError

SEVERITIES = (1, 2, 3, 4, 5)
_WHOLE = ('jpeg_compression', 'pixelate')


@PIPELINES.register_module()
class Corrupt:
    """Corrupt an image as ImageNet-C does, at its original resolution.

    The random state of an image follows from its file name alone (and name,
    severity, seed), so results depend neither on workers nor on order. Must
    directly follow ``LoadImageFromFile``.

    Args:
        name: Among the kinds of ``CORRUPTIONS``.
        severity: 1 (weak) to 5.
        seed: Another seed gives other noise.
        bgr_as_rgb: Take the loaded BGR image for RGB, as the published
            robustness results did: JPEG and spatter then see swapped colours.

    Raises:
        InputError: For an unknown name or severity.
    """

    def __init__(self, name: str, severity: int, seed: int = 0, bgr_as_rgb: bool = False) -> None:
        if name not in CORRUPTIONS:
            raise InputError(f'unknown corruption {name!r}, expected one of '
                             f'{", ".join(CORRUPTIONS)}.')
        if severity not in SEVERITIES or isinstance(severity, bool):
            raise InputError(f'corruption severity {severity!r} is out of range, expected 1 to 5.')
        self.name = name
        self.severity = severity
        self.seed = seed
        self.bgr_as_rgb = bgr_as_rgb

    def __call__(self, results: dict) -> dict:
        """Replace ``results['img']``, (H, W, 3) uint8 in BGR, by its corrupted form."""
        image = results['img']
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(f'Corrupt needs a colour image of 8 bits, (H, W, 3) uint8, got '
                             f'{image.shape} {image.dtype}: it must directly follow '
                             'LoadImageFromFile with to_float32=False.')
        random = self.random_state(results.get('ori_filename') or '')
        flip = slice(None) if self.bgr_as_rgb else slice(None, None, -1)
        corrupted = corrupt_image(image[..., flip], self.name, self.severity, random)
        return {**results, 'img': np.ascontiguousarray(corrupted[..., flip])}

    def random_state(self, filename: str) -> np.random.RandomState:
        """The random state of an image.

        Args:
            filename: The image file relative to the image folder.
        """
        key = '|'.join((str(self.seed), self.name, str(self.severity),
                        str(filename).replace('\\', '/')))
        # Not hash(), which differs from process to process.
        digest = hashlib.sha256(key.encode()).digest()
        return np.random.RandomState(np.frombuffer(digest, dtype='<u4'))

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(name={self.name!r}, severity={self.severity}, '
                f'seed={self.seed}, bgr_as_rgb={self.bgr_as_rgb})')


def corrupt_image(image: np.ndarray, name: str, severity: int,
                  random: np.random.RandomState) -> np.ndarray:
    """Corrupt one picture.

    Args:
        image: RGB, (H, W, 3) uint8.
        name: Among ``CORRUPTIONS``.
        severity: 1 to 5.
        random: Where noise comes from.

    Returns:
        RGB, (H, W, 3) uint8; values are clipped to [0, 255] and rounded down, as
        the benchmark does.
    """
    operator, parameters = CORRUPTIONS[name]
    picture = np.ascontiguousarray(image, dtype=np.float32) / np.float32(255)
    corrupted = operator(picture, parameters[severity - 1], random)
    if name in _WHOLE:
        # Their values are whole: rounding down would lose one to floating-point errors.
        return np.round(corrupted * 255).astype(np.uint8)
    return (np.clip(corrupted, 0, 1) * 255).astype(np.uint8)
