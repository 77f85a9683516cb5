"""tools/get_flops.py as a user runs it."""

import json

from helpers.cases import cases
from helpers.tools import assert_bad_input

TOOL = 'tools/get_flops.py'
MASKCLIP = 'tiny/maskclip_tinyrn_256x256_tinyworld.py'
STUDENT = 'tiny/maskclip_plus_tinyrn_segformer_tiny_256x256_600_tinyworld.py'


def test_prints_a_table_and_writes_a_record(call_tool, tmp_path):
    out = tmp_path / 'cost.json'
    done = call_tool(TOOL, MASKCLIP, '--shape', 64, 96, '--repeats', 2, '--device', 'cpu', '--out',
                     out)
    assert done.returncode == 0, done.stderr
    record = json.loads(out.read_text())
    total = record['total']
    rows = {line.split('|')[1].strip(): line.split('|')[2:5] for line in done.stdout.splitlines()
            if line.startswith('|')}
    assert [float(cell) for cell in rows['total']] == [
        round(total['parameters'] / 1e6, 2), 0, round(total['macs'] / 1e9, 2)]
    assert total['macs'] == sum(part['macs'] for part in record['parts'].values()) > 0
    assert 'of a network input of 64 x 96 (height x width), one image' in done.stdout
    assert '2 runs after a warm-up (cpu, 1 threads, torch' in done.stdout
    assert record['versions']['torch'] and record['device'] == 'cpu' and record['repeats'] == 2
    assert record['shape'] == [64, 96] and record['config'] == MASKCLIP
    assert f"{record['images_per_second']:.2f} images per second" in done.stdout
    assert abs(record['images_per_second'] * record['seconds'] - 1) < 1e-6


def test_one_number_is_a_square_and_counting_needs_no_time(call_tool):
    """One window of a model that is tested by sliding one, of which nothing is computed."""
    done = call_tool(TOOL, STUDENT, '--shape', 64, '--no-speed', '--device', 'meta',
                     '--cfg-options', 'model.test_cfg.mode=slide',
                     'model.test_cfg.crop_size=(32,32)', 'model.test_cfg.stride=(16,16)')
    assert done.returncode == 0, done.stderr
    assert 'input of 64 x 64 (height x width), one window' in done.stdout
    assert 'images per second' not in done.stdout


@cases('words, said', [
    (['no.py'], ['config no.py does not exist']),
    ([MASKCLIP, '--shape', '0'], ['--shape is 0', 'at least 1']),
    ([MASKCLIP, '--shape', '64', '-1'], ['--shape is -1', 'at least 1']),
    ([MASKCLIP, '--shape', '1', '2', '3'], ['[1, 2, 3]', 'expected height and width']),
    ([MASKCLIP, '--shape', 'big'], ["invalid int value: 'big'"]),
    ([MASKCLIP, '--repeats', '0'], ['--repeats is 0']),
    ([MASKCLIP, '--device', 'meta'], ['nothing to time']),
    ([MASKCLIP, '--device', 'abacus'], ["'abacus' cannot be used"]),
    ([MASKCLIP, '--cfg-options', 'model.backbone.arch=Nope'], ["unknown CLIP model 'Nope'"]),
    ([STUDENT, '--shape', '1', '--no-speed'], ['fails on an input of 1 x 1', 'Kernel size'])])
def test_bad_input(words, said, call_tool):
    assert_bad_input(call_tool(TOOL, *words), *said)
