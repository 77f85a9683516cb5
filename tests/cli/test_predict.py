"""maskclip predict: labels of a user's own pictures and words, as files."""

import json
import os
import shutil
import signal

import numpy as np
import pytest
import torch
from PIL import Image

import mmseg_maskclip
from mmseg_maskclip import build_model, load_config
from mmseg_maskclip.clip import build_text_bank, find_checkpoint, get_spec, read_clip_checkpoint
from mmseg_maskclip.engine.train.resume import describe_model
from mmseg_maskclip.tinyworld import CLASSES
from mmseg_maskclip.tinyworld.scenes import scene

from helpers.cases import cases
from helpers.tools import ROOT, assert_bad_input, run_processes, run_tool, start_tool

TOOL = 'tools/predict.py'
WORDS = ['zebra', 'sky; water', 'grass']
NAMES = ['zebra', 'sky', 'grass']
TINY = ('--model', 'TinyRN', '--size', '64', '--device', 'cpu')


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Eight scenes in two folders, one of them in two forms, and a text of the wrong name."""
    folder = tmp_path_factory.mktemp('predict') / 'pictures'
    (folder / 'b').mkdir(parents=True)
    for index in range(7):
        Image.fromarray(scene(1, index).image).save(folder / ('b' if index % 2 else '') /
                                                    f'{index}.png')
    Image.open(folder / '0.png').save(folder / '0.jpg')
    (folder / 'b' / 'text.jpg').write_text('no picture')
    return folder


@pytest.fixture(scope='module')
def whole(pictures):
    """The results of one process that nothing interrupts."""
    done = run_tool(TOOL, pictures, *_flags(pictures.parent / 'whole'))
    return pictures.parent / 'whole', done


def _flags(out, *more):
    return ['--out', out, *TINY, '--formats', 'coco', 'png', '--classes', *WORDS, *more]


def _files(out):
    return {str(path.relative_to(out)): path for path in sorted(out.rglob('*'))
            if path.is_file() and not path.name.startswith('.')}


def _contents(out):
    """All but what tells one run from another."""
    return {name: path.read_bytes() for name, path in _files(out).items()
            if name != 'predict.json'}


def _summary(out):
    return json.loads((out / 'predict.json').read_text())


def test_files_of_a_folder(whole, pictures):
    out, done = whole
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == '9 pictures: 8 labelled'
    assert done.stderr.count(f'{pictures}/b/text.jpg is not a picture') == 1
    names = ['0.jpg', '0.png', '2', '4', '6', 'b/1', 'b/3', 'b/5']
    assert sorted(_files(out)) == sorted([
        'classes.txt', 'coco.json', 'predict.json', *(
            place.format(name) for name in names
            for place in ('annotations/{}.png', 'coco/{}.json', 'records/{}.json'))])
    assert (out / 'classes.txt').read_text().split() == NAMES
    merged = json.loads((out / 'coco.json').read_text())
    assert [image['file_name'] for image in merged['images']] == [
        '0.jpg', '0.png', '2.png', '4.png', '6.png', 'b/1.png', 'b/3.png', 'b/5.png']
    summary = _summary(out)
    assert (summary['pictures'], summary['written'], list(summary['unreadable'])) == (
        9, 8, ['b/text'])
    assert summary['settings']['words'] == [['zebra'], ['sky', 'water'], ['grass']]
    assert 'torch' in summary['versions']


def test_labels_are_those_of_the_python_functions(whole, pictures):
    out, _ = whole
    model = mmseg_maskclip.load('TinyRN', size=64, device='cpu')
    result = model.predict(pictures / 'b/3.png', WORDS)
    labels = np.array(Image.open(out / 'annotations/b/3.png'))
    np.testing.assert_array_equal(labels, result.labels)
    record = json.loads((out / 'records/b/3.json').read_text())
    assert record['areas'] == {name: int((labels == index).sum())
                               for index, name in enumerate(NAMES)}
    assert record['best_confidence'] == pytest.approx(result.best_confidence)
    assert record['presence'] == pytest.approx(result.presence)
    assert record['size'] == [256, 256] and record['file'] == 'b/3.png'


def test_pictures_whose_names_no_label_file_can_have_are_left_out(call_tool, tmp_path):
    names = [b'lat\xe9in', b'n' * 251, b'good']
    (tmp_path / 'mine').mkdir()
    for name in names:
        Image.new('RGB', (32, 32)).save(os.fsdecode(os.fsencode(tmp_path / 'mine/') + b'/' + name)
                                        + '.png', 'PNG')
    assert _run(call_tool, tmp_path / 'mine', *_flags(tmp_path / 'out')) == '3 pictures: 1 labelled'
    reasons = list(_summary(tmp_path / 'out')['unreadable'].values())
    assert 'not UTF-8' in reasons[0] and '251 bytes' in reasons[1] and len(reasons) == 2
    assert not any(name.startswith(('n', 'lat')) for _, _, files in os.walk(tmp_path / 'out')
                   for name in files)


def _run(call_tool, *words):
    done = call_tool(TOOL, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[0]


def test_what_is_done_is_skipped(call_tool, pictures, tmp_path):
    """By settings, by what the file of a picture is, and by whether the results are there."""
    mine, out = tmp_path / 'mine', tmp_path / 'out'
    mine.mkdir()
    for name in ('2', '4'):
        shutil.copy(pictures / f'{name}.png', mine)
    command = [mine, *_flags(out)]
    assert _run(call_tool, *command) == '2 pictures: 2 labelled'
    before = {name: path.stat().st_mtime_ns for name, path in _files(out).items()}
    assert _run(call_tool, *command) == '2 pictures: 0 labelled, 2 done before'
    assert before == {name: path.stat().st_mtime_ns for name, path in _files(out).items()}
    shutil.copy(pictures / '6.png', mine / '4.png')
    assert _run(call_tool, *command) == '2 pictures: 1 labelled, 1 done before'
    np.testing.assert_array_equal(
        np.array(Image.open(out / 'annotations/4.png')),
        mmseg_maskclip.load('TinyRN', size=64, device='cpu').predict(
            pictures / '6.png', WORDS).labels)
    (out / 'coco/2.json').unlink()
    assert _run(call_tool, *command) == '2 pictures: 1 labelled, 1 done before'
    assert _run(call_tool, *command, '--no-resume') == '2 pictures: 2 labelled'
    # A picture less is another merged file.
    (mine / '2.png').unlink()
    assert _run(call_tool, *command) == '1 picture: 0 labelled, 1 done before'
    assert len(json.loads((out / 'coco.json').read_text())['images']) == 1
    # A picture that can't be read any more has no results that count.
    (mine / '4.png').write_bytes(b'')
    assert_bad_input(call_tool(TOOL, *command), '4.png is empty')
    assert 'coco.json' not in _files(out) and 'records/4.json' not in _files(out)


@cases('flags', [
    ['--threshold', '0.9'], ['--contrast', 'none'], ['--contrast', 'tiger', 'cookie'],
    ['--background', 'forest; bricks'], ['--size', '96'], ['--ks-thresh', '1.0'],
    ['--templates', 'single'], ['--precision', 'bf16'], ['--overlay'], ['--formats', 'png', 'cvat'],
    ['--cfg-options', 'model.backbone.fidelity=paper']])
def test_other_settings_are_done_again(flags, call_tool, whole, tmp_path):
    out, _ = whole
    mine = tmp_path / 'out'
    shutil.copytree(out, mine)
    done = call_tool(TOOL, out.parent / 'pictures/2.png', *_flags(mine, *flags))
    assert done.stdout.startswith('1 picture: 1 labelled\n'), done.stdout + done.stderr
    # The merged file was of other settings.
    assert ('coco.json' in _files(mine)) == ('cvat' not in flags)
    assert ('overlay/2.png' in _files(mine)) == (flags == ['--overlay'])


def test_a_config_that_was_changed_is_another(call_tool, pictures, tmp_path):
    config = tmp_path / 'mine.py'
    out = tmp_path / 'out'
    flags = ['--out', out, '--model', config, '--weights', 'TinyRN', '--classes', *WORDS]
    text = f"_base_ = '{ROOT}/configs/tiny/maskclip_tinyrn_256x256_tinyworld.py'\n"
    for more, said in [('', '1 labelled'), ('\n', '0 labelled, 1 done before'),
                       ("model = dict(backbone=dict(fidelity='paper'))", '1 labelled')]:
        config.write_text(text + more)
        assert _run(call_tool, pictures / '2.png', *flags) == f'1 picture: {said}'


def test_threshold_and_contrast_reach_the_labels(call_tool, pictures, tmp_path):
    found = {}
    for name, flags in {'default': [], 'none': ['--contrast', 'none'],
                        'unsure': ['--contrast', 'none', '--threshold', '0.999'],
                        'background': ['--contrast', 'none', '--background', 'tiger', 'forest']
                        }.items():
        _run(call_tool, pictures / '4.png', *_flags(tmp_path / name, *flags))
        found[name] = np.array(Image.open(tmp_path / name / 'annotations/4.png')) == 255
    assert not found['none'].any()
    for name in ('default', 'unsure', 'background'):
        assert 0 < found[name].mean() < 1, name
    assert (found['default'] != found['background']).any()


def test_of_one_picture_each_word_is_told(call_tool, pictures, tmp_path):
    command = [pictures / '4.png', *_flags(tmp_path / 'out')]
    found = mmseg_maskclip.load('TinyRN', size=64, device='cpu').predict(
        pictures / '4.png', WORDS)
    for said in ('1 labelled', '0 labelled, 1 done before'):
        done = call_tool(TOOL, *command)
        first, *lines = done.stdout.splitlines()
        assert first == f'1 picture: {said}'
        assert lines[:3] == [
            f'  {name}: {found.mask(name).mean():.1%} of the pixels, best confidence '
            f'{found.best_confidence[name]:.2f}, presence {found.presence[name]:.2f} (uncalibrated)'
            for name in NAMES]
    assert 'presence' not in call_tool(TOOL, *command, '--contrast', 'none').stdout


def test_templates_of_ones_own(call_tool, pictures, tmp_path):
    file = tmp_path / 'mine.txt'
    file.write_text('a photo of a {}.\n\na {} here.\n')
    _run(call_tool, pictures / '4.png', *_flags(tmp_path / 'out', '--templates', file))
    model = mmseg_maskclip.load('TinyRN', size=64, device='cpu', templates=[
        'a photo of a {}.', 'a {} here.'])
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / 'out/annotations/4.png')),
                                  model.predict(pictures / '4.png', WORDS).labels)


def test_a_killed_run_goes_on_and_ends_the_same(whole, pictures, tmp_path):
    out, _ = whole
    mine = tmp_path / 'whole'
    # Results of other words, which must not stay.
    shutil.copytree(out, mine)
    for path in (mine / 'records').rglob('*.json'):
        path.write_text(path.read_text().replace('"settings": "', '"settings": "0'))
    tool = start_tool(TOOL, pictures, *_flags(mine, '--no-resume'))
    os.remove(mine / 'records/0.jpg.json')
    tool.wait_for(mine / 'records/0.jpg.json')
    tool.signal(signal.SIGKILL)
    assert tool.wait().returncode == -signal.SIGKILL
    left = _files(mine)
    assert not {'coco.json', 'predict.json'} & set(left)
    kept = json.loads((mine / 'records/0.jpg.json').read_text())['settings']
    assert kept == json.loads((out / 'records/2.json').read_text())['settings']
    done = run_tool(TOOL, os.path.relpath(pictures), *_flags(mine))
    assert done.returncode == 0, done.stderr
    assert 0 < _summary(mine)['done_before'] < 8
    assert _contents(mine) == _contents(out)


def test_two_processes_write_what_one_does(whole, pictures, tmp_path):
    done = run_processes(TOOL, pictures, *_flags(tmp_path / 'whole'))
    assert [one.returncode for one in done] == [0, 0], done[0].stderr + done[1].stderr
    assert done[0].stdout == whole[1].stdout.replace(str(whole[0]), str(tmp_path / 'whole'))
    assert done[1].stdout == ''
    assert _contents(tmp_path / 'whole') == _contents(whole[0])
    summary = _summary(tmp_path / 'whole')
    assert summary['processes'] == 2 and summary['unreadable'] == _summary(whole[0])['unreadable']


def test_a_trained_model_takes_its_classes_from_its_checkpoint(call_tool, pictures, tmp_path):
    config = load_config('tiny/maskclip_plus_tinyrn_deeplabv2_tiny_256x256_400_tinyworld.py')
    model, spec = build_model(config), get_spec('TinyRN')
    model.decode_head.set_text_bank(build_text_bank(
        read_clip_checkpoint(find_checkpoint(spec)), spec, list(CLASSES), progress=False))
    torch.save({'state_dict': model.state_dict(), 'meta': {
        'CLASSES': list(CLASSES), 'PALETTE': [[index, 0, 9] for index in range(len(CLASSES))],
        'model': describe_model(config)}}, tmp_path / 'latest.pth')
    config.dump(str(tmp_path / 'mine.py'))
    for model in (['mine.py', '--checkpoint', tmp_path / 'latest.pth'], ['latest.pth']):
        out = tmp_path / model[0][:4]
        _run(call_tool, pictures / '4.png', '--out', out, '--model', tmp_path / model[0],
             *model[1:], '--device', 'cpu', '--size', '64')
        assert (out / 'classes.txt').read_text().split() == list(CLASSES)
        assert Image.open(out / 'annotations/4.png').getpalette()[:6] == [0, 0, 9, 1, 0, 9]
