import numpy as np
import open_clip
import torch
from PIL import Image

from mmseg_maskclip.clip import get_spec, square_of

from helpers.cases import cases


@cases('size', [(300, 200), (97, 411), (224, 224), (64, 80)])
@cases('mode', ['RGB', 'L'])
def test_equals_open_clips_own_preprocessing(size, mode):
    rng = np.random.default_rng(0)
    shape = size[::-1] if mode == 'L' else (*size[::-1], 3)
    picture = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
    assert picture.mode == mode
    spec = get_spec('ViT-B/16')
    expected = open_clip.image_transform(224, is_train=False, mean=spec.mean, std=spec.std)(picture)
    square = square_of(picture, 224)
    assert square.dtype == torch.uint8 and square.shape == (3, 224, 224)
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (spec.mean, spec.std))
    torch.testing.assert_close((square / 255 - mean) / std, expected, rtol=1e-5, atol=1e-5)


def test_palette_and_transparent_pictures_become_rgb():
    palette = Image.new('P', (30, 40), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert square_of(palette, 16)[:, 8, 8].tolist() == [10, 20, 30]
    assert square_of(Image.new('RGBA', (30, 40), (1, 2, 3, 0)), 16).shape == (3, 16, 16)
