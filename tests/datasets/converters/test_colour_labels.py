"""Labels that are painted in colours, converted as a user does it."""

import numpy as np
import pytest
from PIL import Image

from helpers.cases import cases
from helpers.tools import assert_bad_input

TOOL = 'tools/dataset_converters/colour_labels.py'
CVAT = '# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,0::\nsmall dog:0,64,255::\n'
PLAIN = '# ours\nbackground: 0, 0, 0\ncat:128,0,0\n\nsmall dog:0,64,255\n'
COLOURS = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 64, 255), 255: (224, 224, 192)}
IDS = np.array([[0, 1, 1, 2], [2, 2, 255, 255]])


def paint(path, ids=IDS, mode='RGB'):
    pixels = np.array([[COLOURS[index] for index in row] for row in ids.tolist()], np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    (picture.quantize(16) if mode == 'P' else picture.convert(mode)).save(path)


@pytest.fixture
def work(tmp_path):
    (tmp_path / 'cvat.txt').write_text(CVAT)
    (tmp_path / 'plain.txt').write_text(PLAIN)
    return tmp_path


def read(path):
    with Image.open(path) as picture:
        assert picture.mode == 'P'
        return np.array(picture), np.array(picture.convert('RGB'))


def test_ids_subfolders_and_palette(work, call_tool):
    paint(work / 'painted/a.png')
    paint(work / 'painted/day one/b.PNG', mode='RGBA')
    paint(work / 'painted/day one/c.bmp', mode='P')
    paint(work / 'painted/.hidden.png')
    for table in ('cvat.txt', 'plain.txt'):
        out = work / table[:-4]
        done = call_tool(TOOL, work / 'painted', out, '--colours', work / table, '--void',
                         '224,224,192', '9,9,9', '--nproc', 2)
        assert done.returncode == 0, done.stderr
        assert '3 label files written' in done.stdout
        assert 'ids: 0 background, 1 cat, 2 small dog; 255 is ignored' in done.stdout
        assert sorted(str(path.relative_to(out)) for path in out.rglob('*.png')) == [
            'a.png', 'day one/b.png', 'day one/c.png']
        for path in out.rglob('*.png'):
            found, colours = read(path)
            assert np.array_equal(found, IDS), path
            assert np.array_equal(colours[found == 2], [COLOURS[2]] * 3)
            assert np.array_equal(colours[found == 255], [COLOURS[255]] * 2)


def test_a_run_with_another_table_makes_all_anew(work, call_tool):
    paint(work / 'painted/a.png')
    (work / 'other.txt').write_text('cat:128,0,0\nsmall dog:0,64,255\nbackground:0,0,0\n')
    for table, more, expected in (('cvat.txt', [], IDS), ('other.txt', [], (IDS - 1) % 3),
                                  ('cvat.txt', ['0,0,0'], np.where(IDS == 0, 255, IDS))):
        done = call_tool(TOOL, work / 'painted', work / 'out', '--colors', work / table, '--void',
                         '224,224,192', *more)
        assert done.returncode == 0, done.stderr
        found, _ = read(work / 'out/a.png')
        assert np.array_equal(found, np.where(IDS == 255, 255, expected)), (table, more)


def test_unknown_colours_are_counted_and_the_nearest_is_named(work, call_tool):
    paint(work / 'painted/a.png', IDS % 255)
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[0] = (127, 1, 0)
    pixels[1, :2] = (1, 64, 250)
    Image.fromarray(pixels).save(work / 'painted/b.png')
    Image.fromarray(np.random.RandomState(0).randint(0, 99, (8, 8, 3), np.uint8)).save(
        work / 'painted/c.jpg')
    done = call_tool(TOOL, work / 'painted', work / 'out', '--colours', work / 'cvat.txt')
    assert_bad_input(done, '2 of 3', 'b.png holds 2 unknown colours: 127,1,0 (4 pixels, nearest is '
                     'cat 128,0,0), 1,64,250 (2 pixels, nearest is small dog 0,64,255); ',
                     '.jpg does not keep colours')
    assert (work / 'out/a.png').is_file() and not (work / 'out/b.png').exists()


@cases('table, more, words', [
    ('a:1,2,3\nb:1,2,3\n', [], "'a' and 'b' of the colour table have the same colour"),
    ('a:1,2,3\na:1,2,4\n', [], "'a' and 'a' of the colour table have the same name"),
    ('a:1,2,3\nb 1 2 4\n', [], "'b 1 2 4', expected name:r,g,b"),
    ('a:1,2,300\n', [], "'1,2,300', expected three numbers from 0 to 255"),
    ('cat\ndog\n', [], 'has no colours'), ('["cat"]', [], 'has no colours'),
    ('\n'.join(f'c{index}:0,{index % 256},{index // 256}' for index in range(256)), [],
     '256 classes, expected at most 255'),
    ('a:1,2,3\n', ['--void', '1,2'], "--void has the colour '1,2'"),
    ('a:1,2,3\n', ['--void', '1,-2,3'], "--void has the colour '1,-2,3'")])
def test_wrong_tables(table, more, words, tmp_path, call_tool):
    (tmp_path / 'table.txt').write_text(table)
    paint(tmp_path / 'painted/a.png')
    assert_bad_input(call_tool(TOOL, tmp_path / 'painted', tmp_path / 'out', '--colours',
                               tmp_path / 'table.txt', *more), words)


def test_wrong_pictures_and_folders(work, call_tool):
    def refused(folder, out, *words):
        assert_bad_input(call_tool(TOOL, folder, out, '--colours', work / 'cvat.txt'), *words)

    refused(work / 'gone', work / 'out', 'folder of colour labels', 'gone')
    (work / 'empty').mkdir()
    refused(work / 'empty', work / 'out', 'no pictures in')
    paint(work / 'painted/a.png')
    refused(work / 'painted', work / 'painted/ids', 'name another')
    refused(work / 'painted', work / 'painted', 'name another')
    paint(work / 'painted/a.bmp')
    refused(work / 'painted', work / 'out', 'a.bmp', 'a.png', 'would both become')
    Image.fromarray(np.zeros((2, 2), np.uint16)).save(work / 'painted/a.png')
    (work / 'painted/a.bmp').rename(work / 'painted/b.bmp')
    Image.fromarray(np.zeros((2, 2, 4), np.uint8)).save(work / 'painted/c.png')
    (work / 'painted/d.png').write_bytes(b'none')
    refused(work / 'painted', work / 'out', '4 of 4', 'a.png is a picture of mode I;16',
            'c.png is transparent', 'd.png cannot be read', '224,224,192')
