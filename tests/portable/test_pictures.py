"""One picture, in any form, as 8 bits of RGB."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from mmseg_maskclip.portable.pictures import read_picture
from mmseg_maskclip.utils import InputError

from helpers.cases import cases

HERE = Path(__file__).parent
# (H, W, 3): two rows of three colours.
COLOURS = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]],
                    [[10, 20, 30], [200, 100, 50], [0, 0, 0]]], np.uint8)


def _file(image, suffix='png', **options):
    content = io.BytesIO()
    image.save(content, {'jpg': 'JPEG', 'tif': 'TIFF'}.get(suffix, suffix), **options)
    return content.getvalue()


def _image(values, mode):
    return Image.fromarray(np.array(values, np.uint8)).convert(mode)


def _palette_with_transparency():
    image = Image.new('P', (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putdata([0, 1])
    return _file(image, transparency=0)


def _stack(suffix):
    first, second = Image.new('RGB', (1, 1), (0, 0, 255)), Image.new('RGB', (1, 1), (255, 0, 0))
    return _file(first, suffix, save_all=True, append_images=[second])


def _grey16(suffix):
    return _file(Image.fromarray(np.array([[0, 255, 256, 65535]], np.uint16)), suffix)


GREY16 = [[[0] * 3, [0] * 3, [1] * 3, [255] * 3]]


@cases('content, expected', [
    (_file(Image.fromarray(COLOURS)), COLOURS),
    (_file(Image.fromarray(COLOURS), 'tif'), COLOURS),
    (_file(Image.fromarray(COLOURS), 'webp', lossless=True), COLOURS),
    (_file(_image([[0, 255]], '1')), [[[0] * 3, [255] * 3]]),
    (_file(_image([[7, 250]], 'L')), [[[7] * 3, [250] * 3]]),
    (_grey16('png'), GREY16),
    (_grey16('tif'), GREY16),
    # 255 a + 255 (1 - a) and 0 a + 255 (1 - a), where a is 128 / 255.
    (_file(Image.fromarray(np.array([[[255, 0, 0, 128], [9, 9, 9, 0], [1, 2, 3, 255]]], np.uint8))),
     [[[255, 127, 127], [255, 255, 255], [1, 2, 3]]]),
    (_file(_image([[[8, 8, 8, 0], [8, 8, 8, 255]]], 'LA')), [[[255] * 3, [8] * 3]]),
    (_palette_with_transparency(), [[[255] * 3, [0, 0, 255]]]),
    (_file(Image.new('RGB', (1, 1), (1, 2, 3)), transparency=(1, 2, 3)), [[[255] * 3]]),
    (_stack('gif'), [[[0, 0, 255]]]),
    (_stack('tif'), [[[0, 0, 255]]]),
    # 255 - C, where there is no black: no ink is white.
    (_file(Image.merge('CMYK', [Image.new('L', (1, 1), value) for value in (255, 0, 100, 0)]),
           'tif'), [[[0, 255, 155]]]),
])
def test_files_of_every_kind_become_rgb(content, expected, tmp_path):
    (tmp_path / 'one').write_bytes(content)
    picture = read_picture(tmp_path / 'one')
    assert picture.rgb.dtype == np.uint8 and picture.path == str(tmp_path / 'one')
    np.testing.assert_array_equal(picture.rgb, expected)
    np.testing.assert_array_equal(read_picture(content).rgb, expected)
    np.testing.assert_array_equal(read_picture(Image.open(io.BytesIO(content))).rgb, expected)


@cases('suffix, orientation',
       [(suffix, turn) for suffix in ('png', 'tif', 'webp') for turn in range(1, 9)])
def test_exif_orientation_is_applied_once(suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {'lossless': True} if suffix == 'webp' else {}
    content = _file(Image.fromarray(COLOURS), suffix, exif=exif, **options)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(read_picture(content).rgb, np.array(upright))


def test_a_turned_photo_is_what_opencv_reads():
    picture = read_picture(HERE / 'exif6.jpg')
    assert picture.rgb.shape == (64, 48, 3)
    expected = cv2.imread(str(HERE / 'exif6.jpg'))[:, :, ::-1].astype(int)
    assert np.abs(picture.rgb - expected).max() <= 2


def test_sixteen_bits_of_colour_keep_the_high_byte(tmp_path):
    values = np.array([[[256, 511, 65535], [0, 255, 32768]]], np.uint16)
    cv2.imwrite(str(tmp_path / 'deep.png'), values)
    expected = [[[255, 1, 1], [128, 0, 0]]]  # OpenCV writes BGR
    np.testing.assert_array_equal(read_picture(tmp_path / 'deep.png').rgb, expected)
    np.testing.assert_array_equal(read_picture(values[:, :, ::-1]).rgb, expected)


@cases('source', [
    COLOURS, COLOURS / 255, (COLOURS / 255).astype(np.float32), np.dstack([COLOURS, COLOURS[..., 0]
                                                                          * 0 + 255]),
    COLOURS.astype(np.uint16) * 257, Image.fromarray(COLOURS),
    torch.from_numpy(COLOURS.transpose(2, 0, 1).copy()),
    torch.from_numpy(COLOURS.transpose(2, 0, 1) / 255).float().requires_grad_(),
    torch.from_numpy(COLOURS.transpose(2, 0, 1) / 255).double()],
    ids=lambda source: f'{type(source).__name__} {getattr(source, "dtype", "")}')
def test_arrays_and_tensors(source):
    picture = read_picture(source)
    assert picture.path is None and picture.rgb.flags.c_contiguous
    np.testing.assert_array_equal(picture.rgb, COLOURS)
    assert picture.rgb is not source and read_picture(picture) is picture


def test_grey_arrays_and_changes_of_the_callers_array():
    grey = np.array([[0, 9]], np.uint8)
    picture = read_picture(grey)
    assert read_picture(grey == 9).rgb.tolist() == [[[0] * 3, [255] * 3]]
    mine = COLOURS.copy()
    kept = read_picture(mine)
    grey[:], mine[:] = 77, 77
    assert picture.rgb.tolist() == [[[0] * 3, [9] * 3]]
    np.testing.assert_array_equal(kept.rgb, COLOURS)


def _huge_png():
    """A header of 40000 x 40000 pixels, and nothing behind it."""
    content = bytearray(_file(Image.new('L', (1, 1))))
    content[16:24] = (40000).to_bytes(4, 'big') * 2
    # Its checksum would be looked at first.
    import zlib
    content[29:33] = zlib.crc32(bytes(content[12:29])).to_bytes(4, 'big')
    return bytes(content)


WHOLE = _file(Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)),
              'jpg')


@cases('content, words', [
    (b'', 'is empty'),
    (b'no picture at all, but a text of some length', 'is not a picture'),
    (WHOLE[:len(WHOLE) // 2], 'is damaged'),
    (_file(Image.fromarray(COLOURS))[:-30], 'is damaged'),
    (_huge_png(), '40000 x 40000 pixels'),
    (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n',
     'is not a picture'),
    ((HERE / 'float.tif').read_bytes(), '32-bit floats'),
    (_file(Image.fromarray(np.array([[0, 70000]], np.int32)), 'tif'), 'integers from 0 to 70000'),
], ids=lambda content, words: words)
def test_a_file_that_cannot_be_read_is_named_in_one_sentence(content, words, tmp_path):
    path = tmp_path / 'one.jpg'
    path.write_bytes(content)
    # What Pillow warns of would stand beside the sentence.
    with warnings.catch_warnings(), pytest.raises(InputError, match=words) as error:
        warnings.simplefilter('error')
        read_picture(path)
    assert str(error.value).startswith(f'picture {path} ') and '\n' not in str(error.value)


@cases('make, words', [
    (lambda folder: folder / 'none.jpg', 'does not exist'),
    (lambda folder: folder, 'is a folder'),
    (lambda folder: np.zeros((0, 5, 3), np.uint8), '5 x 0 pixels'),
    (lambda folder: Image.new('RGB', (0, 3)), '0 x 3 pixels'),
    # Pillow decodes when it is asked for pixels.
    (lambda folder: Image.open(io.BytesIO(WHOLE[:len(WHOLE) // 2])), 'the picture is damaged'),
    (lambda folder: np.zeros((3, 40, 50), np.uint8), r'\(3, 40, 50\), expected \(H, W, 3\)'),
    (lambda folder: torch.zeros(1, 3, 4, 5), r'\(1, 3, 4, 5\), expected \(3, H, W\)'),
    (lambda folder: COLOURS.astype(float), 'from 0 to 255, expected 0 to 1'),
    (lambda folder: np.full((2, 2, 3), np.nan), 'expected 0 to 1'),
    (lambda folder: COLOURS.astype(np.int64), 'type int64'),
    (lambda folder: 5, 'a picture is a int'),
])
def test_what_is_no_picture(make, words, tmp_path):
    with pytest.raises(InputError, match=words):
        read_picture(make(tmp_path))


def test_the_bound_is_the_callers(monkeypatch):
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 2)
    content = _file(Image.fromarray(COLOURS))
    assert read_picture(content, max_pixels=6).rgb.shape == (2, 3, 3)
    assert Image.MAX_IMAGE_PIXELS == 2
    for source in (content, COLOURS):
        with pytest.raises(InputError, match='3 x 2 pixels, 6 in all, expected at most 5'):
            read_picture(source, max_pixels=5)
