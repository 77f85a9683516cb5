"""Corruptions against statistics, PIL's codec and independent computations."""

import io

import cv2
import numpy as np
import pytest
import torch
from mmseg.datasets import build_dataloader, build_dataset
from mmseg.datasets.builder import PIPELINES
from PIL import Image

from mmseg_maskclip.datasets.pipelines import CORRUPTIONS, Corrupt
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.voc_tree import write_image

GREY = 128


def corrupted(image, name, severity=3, filename='a/b.jpg', **options):
    step = PIPELINES.build({'type': 'Corrupt', 'name': name, 'severity': severity, **options})
    return step({'img': image, 'ori_filename': filename})['img']


def grey(height=200, width=300):
    return np.full((height, width, 3), GREY, dtype=np.uint8)


@pytest.fixture
def picture():
    """A smooth colourful picture in BGR."""
    small = np.random.RandomState(1).randint(0, 256, (8, 12, 3), dtype=np.uint8)
    return cv2.resize(small, (180, 120), interpolation=cv2.INTER_CUBIC)


@cases('name', CORRUPTIONS)
@cases('severity', [1, 2, 3, 4, 5])
def test_shape_type_and_repeatable(picture, name, severity):
    before = picture.copy()
    first = corrupted(picture, name, severity)
    assert first.shape == picture.shape and first.dtype == np.uint8
    assert first.flags['C_CONTIGUOUS']
    assert (picture == before).all(), 'the input must stay as it was'
    assert (first != picture).any()
    np.random.seed(severity)
    assert (corrupted(picture, name, severity) == first).all()


@cases('name', CORRUPTIONS)
@cases('size', [(1, 1), (1, 7), (5, 3)])
def test_small_images(name, size):
    for severity in (1, 3, 5):
        assert corrupted(grey(*size), name, severity).shape == (*size, 3)


@cases('name', [
    'gaussian_noise', 'shot_noise', 'impulse_noise', 'speckle_noise', 'spatter', 'glass_blur',
    'motion_blur', 'snow', 'frost', 'fog', 'elastic_transform'])
def test_noise_depends_on_file_and_seed(picture, name):
    first = corrupted(picture, name)
    assert (corrupted(picture, name, filename='a/c.jpg') != first).any()
    assert (corrupted(picture, name, seed=1) != first).any()
    assert (corrupted(picture, name, filename='a\\b.jpg') == first).all()


def test_global_random_state_is_left_alone(picture):
    np.random.seed(0)
    expected = np.random.rand(4)
    np.random.seed(0)
    for name in CORRUPTIONS:
        corrupted(picture, name)
    assert (np.random.rand(4) == expected).all()


# Parameters of the public benchmark for severities 1 to 5.
@pytest.mark.parametrize(('name', 'sigmas'), [
    ('gaussian_noise', (0.08, 0.12, 0.18, 0.26, 0.38)),
    ('speckle_noise', np.array([0.15, 0.2, 0.35, 0.45, 0.6]) * GREY / 255)])
def test_strength_of_normal_noise(name, sigmas):
    """Of a normal distribution 84.13 % lie below one sigma; that is never as bright as white."""
    for severity, sigma in enumerate(sigmas, start=1):
        found = np.quantile(corrupted(grey(), name, severity), (0.5, 0.8413))
        assert found == pytest.approx([GREY, GREY + 255 * sigma], abs=1.5), severity


def test_strength_of_shot_noise():
    """A Poisson count has its mean as its variance; the dark is hardly ever cut off at white."""
    dark = np.full((200, 300, 3), 40, dtype=np.uint8)
    for severity, rate in enumerate((60, 25, 12, 5, 3), start=1):
        found = corrupted(dark, 'shot_noise', severity) / 255
        assert found.mean() == pytest.approx(40 / 255, abs=0.003), severity
        assert found.std() == pytest.approx((40 / 255 / rate) ** 0.5, rel=0.03), severity


def test_share_of_impulses():
    for severity, amount in enumerate((0.03, 0.06, 0.09, 0.17, 0.27), start=1):
        values = corrupted(grey(), 'impulse_noise', severity)
        shares = [(values == value).mean() for value in (0, GREY, 255)]
        assert shares == pytest.approx([amount / 2, 1 - amount, amount / 2], abs=0.005), severity


def test_channels_have_noise_of_their_own():
    for name in ('gaussian_noise', 'speckle_noise', 'shot_noise', 'impulse_noise'):
        channels = corrupted(grey(), name).reshape(-1, 3).T
        assert abs(np.corrcoef(channels)[0, 1]) < 0.02, name


def test_jpeg_equals_pil(picture):
    rgb = picture[..., ::-1]
    for severity, quality in zip((1, 2, 3, 4, 5), (25, 18, 15, 10, 7)):
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(rgb)).save(buffer, 'JPEG', quality=quality)
        expected = np.array(Image.open(buffer))[..., ::-1]
        assert (corrupted(picture, 'jpeg_compression', severity) == expected).all()


def test_bgr_taken_for_rgb_is_the_old_way(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, 'JPEG', quality=7)
    old = np.array(Image.open(buffer))
    assert (corrupted(picture, 'jpeg_compression', 5, bgr_as_rgb=True) == old).all()
    assert (corrupted(picture, 'jpeg_compression', 5) != old).any()
    mud = corrupted(grey(), 'spatter', 5)
    swapped = corrupted(grey(), 'spatter', 5, bgr_as_rgb=True)
    assert (mud == swapped[..., ::-1]).all()


def test_gaussian_blur_equals_a_convolution(picture):
    for severity, sigma in enumerate((1, 2, 3, 4, 6), start=1):
        steps = torch.arange(-4 * sigma, 4 * sigma + 1, dtype=torch.float64)
        kernel = torch.exp(-steps**2 / (2 * sigma**2))
        kernel /= kernel.sum()
        image = torch.from_numpy(picture / 255.).permute(2, 0, 1)[:, None]
        padded = torch.nn.functional.pad(image, [4 * sigma] * 4, mode='replicate')
        for shape in ((1, 1, -1, 1), (1, 1, 1, -1)):
            padded = torch.nn.functional.conv2d(padded, kernel.view(shape))
        expected = padded[:, 0].permute(1, 2, 0) * 255
        found = corrupted(picture, 'gaussian_blur', severity)
        assert np.abs(found - expected.numpy()).max() <= 1, severity


def test_defocus_of_an_edge_is_the_area_of_a_disk_beyond_it():
    edge = np.zeros((41, 80, 3), dtype=np.uint8)
    edge[:, 40:] = 255
    for severity, radius in ((1, 3), (2, 4), (3, 6), (4, 8), (5, 10)):
        row = corrupted(edge, 'defocus_blur', severity)[20, :, 0] / 255
        share = np.clip((39.5 - np.arange(80)) / radius, -1, 1)
        segment = (np.arccos(share) - share * np.sqrt(1 - share**2)) / np.pi
        assert np.abs(row - segment).max() < 0.05
        assert row[41 - radius] > 0, 'the disk reaches that far'
        assert row[39 - radius - 2] == 0 and row[40 + radius + 2] >= 254 / 255


def test_brightest_spot_has_the_colour_and_strength_of_the_benchmark():
    """On black; drops are turquoise, (175, 238, 238) in RGB, and not lit evenly."""
    black = np.zeros((200, 300, 3), dtype=np.uint8)
    for severity, strength in ((1, 0.6), (2, 0.6), (3, 0.5)):
        drops = corrupted(black, 'spatter', severity)
        brightest = drops.max(axis=(0, 1))
        assert brightest.tolist() == [int(strength * value) for value in (238, 238, 175)], severity
        wet = drops.max(axis=2) > 0
        assert (drops[wet].mean(axis=0) < 0.5 * brightest).all(), severity


def test_spatter_water_lightens_and_mud_covers():
    water = corrupted(grey(), 'spatter', 3).astype(int) - GREY
    assert water.min() >= 0 and water.max() > 60
    wet = water.sum(axis=2) > 30
    assert 0.02 < wet.mean() < 0.4
    blue, green, red = water[wet].mean(axis=0)
    assert red < green and red < blue, 'pale turquoise, in BGR'
    mud = corrupted(grey(), 'spatter', 5)
    dirty = (mud != GREY).any(axis=2)
    assert 0.05 < dirty.mean() < 0.6
    # At full strength nothing is left of the picture: BGR of the mud.
    assert (np.abs(mud[dirty].astype(int).min(axis=0) - [20, 42, 63]) <= 1).all()


@cases('name', CORRUPTIONS)
def test_severity_grows(picture, name):
    # Of several pictures: how thick the fog is depends on the clouds in it.
    changes = [np.mean([np.abs(corrupted(picture, name, severity, f'{number}.jpg').astype(float)
                               - picture).mean() for number in range(8)]) for severity in (1, 5)]
    assert changes[1] > changes[0]


def test_wrong_arguments(picture):
    with pytest.raises(InputError, match=r"unknown corruption 'rain'.*jpeg_compression.*fog"):
        Corrupt('rain', 1)
    for severity in (0, 6, True, '3'):
        with pytest.raises(InputError, match='expected 1 to 5'):
            Corrupt('spatter', severity)
    with pytest.raises(InputError, match='needs a colour image of 8 bits'):
        Corrupt('spatter', 1)({'img': picture.astype(np.float32)})
    with pytest.raises(InputError, match='needs a colour image of 8 bits'):
        Corrupt('spatter', 1)({'img': picture[..., 0]})


def test_same_pixels_for_any_workers_and_order(tmp_path):
    for number in range(4):
        write_image(tmp_path / f'{number}.png', (40, 50), seed=number)
    pipeline = [{'type': 'LoadImageFromFile'},
                {'type': 'Corrupt', 'name': 'gaussian_noise', 'severity': 2},
                {'type': 'ImageToTensor', 'keys': ['img']},
                {'type': 'Collect', 'keys': ['img'], 'meta_keys': ['ori_filename']}]
    dataset = build_dataset({'type': 'ImageFolderDataset', 'img_dir': str(tmp_path),
                             'classes': ['x'], 'pipeline': pipeline, 'test_mode': True})
    alone = {number: dataset[number]['img'] for number in (3, 1, 0, 2)}
    loader = build_dataloader(dataset, 1, 2, dist=False, shuffle=False, persistent_workers=False,
                              pin_memory=False)
    for number, batch in enumerate(loader):
        assert torch.equal(batch['img'][0], alone[number])
