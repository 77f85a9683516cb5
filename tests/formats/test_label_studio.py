"""Label Studio's stream of bits, worked out by hand and read by its description."""

from xml.etree import ElementTree

import numpy as np
import pytest

from mmseg_maskclip.formats import brush_rle, label_studio_of, labelling_config

from helpers.labelled import NAMES, PALETTE, hard_labels, masks_of, picture_of


def read_stream(data):
    """Values of a stream, as the format's description has it."""
    bits = ''.join(f'{byte:08b}' for byte in data)
    place = 0

    def read(size):
        nonlocal place
        place += size
        return int(bits[place - size:place], 2)

    count, word, sizes, values = read(32), read(5) + 1, [], []
    sizes = [read(4) + 1 for _ in range(4)]
    while len(values) < count:
        repeated, length = read(1), read(sizes[read(2)]) + 1
        values += [read(word)] * length if repeated else [read(word) for _ in range(length)]
    assert len(bits) - place < 8 and '1' not in bits[place:], 'zeros up to a byte'
    assert len(values) == count
    return np.array(values)


def test_three_pixels_by_hand():
    """0 1 1 as RGBA are four zeros, then eight of 255."""
    bits = ('00000000000000000000000000001100' '00111' '0010' '0011' '0111' '1111'
            '1' '00' '011' '00000000'
            '1' '00' '111' '11111111'
            '0000000')
    expected = bytes(int(bits[start:start + 8], 2) for start in range(0, len(bits), 8))
    assert expected == b'\x00\x00\x00\x0c\x39\x1b\xfc\x60\x13\xff\x80'
    assert brush_rle(np.array([[0, 1, 1]])) == expected


@pytest.mark.parametrize('runs', [
    [1], [0, 1], [0, 3, 2], [2, 3, 4, 5, 63, 64, 65], [16383, 16384, 16385, 32768, 32769, 1]])
def test_runs_of_all_lengths(runs):
    mask = np.concatenate([np.full(length, number % 2) for number, length in enumerate(runs)])
    found = read_stream(brush_rle(mask[None])).reshape(-1, 4)
    assert (found == 255 * mask[:, None]).all()


def test_a_task_and_the_config_it_fits():
    labels = hard_labels()
    task = label_studio_of(picture_of(labels, 'x/a b&c.jpg'))
    assert task['data'] == {'image': '/data/local-files/?d=x/a%20b%26c.jpg'}
    (prediction,) = task['predictions']
    assert prediction['score'] == pytest.approx((.9 + .8 + .7 + .6 + .5) / 5)
    masks = {}
    for brush in prediction['result']:
        assert (brush['type'], brush['value']['format']) == ('brushlabels', 'rle')
        assert (brush['original_width'], brush['original_height']) == (53, 37)
        pixels = read_stream(brush['value']['rle']).reshape(37, 53, 4)
        assert np.isin(pixels, (0, 255)).all() and (pixels == pixels[..., :1]).all()
        (name,) = brush['value']['brushlabels']
        masks[name] = (pixels[..., 3] > 0).tolist()
    assert masks == masks_of(labels)
    assert len({brush['id'] for brush in prediction['result']}) == 5

    root = ElementTree.fromstring(labelling_config(NAMES, PALETTE))
    control = root.find('BrushLabels')
    assert {(brush['from_name'], brush['to_name']) for brush in prediction['result']} == {
        (control.get('name'), control.get('toName'))}
    assert root.find('Image').attrib.items() >= {'name': control.get('toName'),
                                                 'value': '$image'}.items()
    assert [label.get('value') for label in control] == [*NAMES]
    assert control[1].get('background') == '#804080'
    bare = label_studio_of(picture_of(np.full((2, 2), 255), scores=None), 'http://host/')
    assert bare['data'] == {'image': 'http://host/a%20b.png'}
    assert bare['predictions'][0]['result'] == [] and 'score' not in bare['predictions'][0]
