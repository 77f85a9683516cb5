"""tools/test.py as a user runs it, on the embedded world."""

import json
import pickle
import shutil
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from mmseg_maskclip.models import MaskClip

from helpers.cases import cases
from helpers.tiny_clip import make_tiny_clip, save_as
from helpers.tools import ROOT, assert_bad_input, free_port, run_processes, run_tool, start_tool

CONFIG = ROOT / 'configs/tiny/maskclip_tinyrn_256x256_tinyworld.py'
DEMO = ROOT / 'configs/maskclip/maskclip_vit16_512x512_demo.py'
TOOL = 'tools/test.py'
FAST = 'data.workers_per_gpu=0'


def _options(world, *more):
    return ['--cfg-options', f'data.test.data_root={world}', FAST, *more]


def _record(folder):
    files = list(folder.glob('eval_*.json'))
    assert len(files) == 1
    return json.loads(files[0].read_text())


@pytest.fixture(scope='module')
def plain_run(tiny_world, tiny_rn, tmp_path_factory):
    """One run in a process of its own; its files are looked at by several tests."""
    folder = tmp_path_factory.mktemp('run')
    done = run_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--show-dir', folder / 'drawn',
                    '--out', folder / 'maps.pkl', '--work-dir', folder / 'work',
                    *_options(tiny_world))
    assert done.returncode == 0, done.stderr
    return folder, done


def test_figures_are_printed_and_recorded(plain_run, tiny_rn):
    folder, done = plain_run
    record = _record(folder / 'work')
    figures = record['metric']
    assert figures['mIoU'] > 0.55
    for name in ('aAcc', 'pAcc', 'mAcc', 'mPrec', 'mIoU(S)', 'mIoU(U)', 'hIoU', 'IoU.sky'):
        assert name in figures
    assert record['fidelity'] == 'clip'
    assert record['checkpoint'] == str(tiny_rn)
    assert {'torch', 'mmcv', 'mmseg_maskclip', 'open_clip_torch'} <= set(record['versions'])
    assert record['model']['backbone']['arch'] == 'TinyRN'
    shown = done.stdout + done.stderr
    assert f'{100 * figures["mIoU"]:.2f}' in shown


def test_label_maps_score_what_was_printed(plain_run, tiny_world):
    """The written maps, scored by torchmetrics against the label files."""
    from PIL import Image
    from torchmetrics import JaccardIndex
    folder, _ = plain_run
    with open(folder / 'maps.pkl', 'rb') as file:
        maps = pickle.load(file)
    names = (tiny_world / 'ImageSets/Segmentation/val.txt').read_text().split()
    assert len(maps) == len(names) == 6
    metric = JaccardIndex('multiclass', num_classes=14, average='none')
    for labels, name in zip(maps, names):
        truth = np.array(Image.open(tiny_world / f'SegmentationClass/{name}.png'))
        metric.update(torch.from_numpy(labels).long(), torch.from_numpy(truth).long())
    figures = _record(folder / 'work')['metric']
    from mmseg_maskclip.tinyworld import CLASSES
    for value, name in zip(metric.compute(), CLASSES):
        if figures[f'IoU.{name}'] is not None:
            assert abs(value.item() - figures[f'IoU.{name}']) < 1e-4


def test_drawings_have_a_legend(plain_run):
    folder, _ = plain_run
    drawn = sorted((folder / 'drawn').iterdir())
    assert len(drawn) == 6
    picture = cv2.imread(str(drawn[0]))
    assert picture.shape[1] == 256 and picture.shape[0] > 256
    legend = picture[256:]
    assert (legend == 255).mean() > 0.4 and legend.min() < 60
    assert not list((folder / 'work').glob('.*'))


def _same_maps(first, second):
    with open(first, 'rb') as file, open(second, 'rb') as other:
        ours, theirs = pickle.load(file), pickle.load(other)
    assert len(ours) == len(theirs)
    return all(np.array_equal(*pair) for pair in zip(ours, theirs))


def test_two_processes_give_the_figures_of_one(plain_run, tiny_world, tiny_rn, tmp_path):
    alone, together = plain_run[0], tmp_path / 'maps.pkl'
    for done in run_processes(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path,
                              '--out', together, '--gpu-collect', *_options(tiny_world)):
        assert done.returncode == 0, done.stderr
    assert _record(tmp_path)['metric'] == pytest.approx(_record(alone / 'work')['metric'],
                                                        nan_ok=True)
    assert _record(tmp_path)['processes'] == 2
    assert _same_maps(alone / 'maps.pkl', together)


def test_uneven_images_are_counted_once(tiny_world, tiny_rn, tmp_path):
    """Five images on two processes of the launcher: nothing padded, nothing twice."""
    world = tmp_path / 'world'
    shutil.copytree(tiny_world, world)
    split = world / 'ImageSets/Segmentation/val.txt'
    split.write_text('\n'.join(split.read_text().split()[:5]) + '\n')
    one = run_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path / 'one',
                   '--out', tmp_path / 'one.pkl', *_options(world))
    two = run_tool('tools/dist_test.sh', CONFIG, tiny_rn, 2, '--eval', 'mIoU', '--work-dir',
                   tmp_path / 'two', '--out', tmp_path / 'two.pkl', *_options(world),
                   env={'PORT': str(free_port())})
    assert one.returncode == two.returncode == 0, one.stderr + two.stderr
    assert _record(tmp_path / 'one')['metric'] == _record(tmp_path / 'two')['metric']
    assert _record(tmp_path / 'two')['processes'] == 2
    assert _same_maps(tmp_path / 'one.pkl', tmp_path / 'two.pkl')


def test_corruption_lowers_and_repeats(tiny_world, tiny_rn, tmp_path, call_tool):
    scores = {}
    for name, workers in (('a', 0), ('b', 2)):
        done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--corruption',
                         'gaussian_noise', '--severity', '5', '--work-dir', tmp_path / name,
                         *_options(tiny_world), f'data.workers_per_gpu={workers}')
        assert done.returncode == 0, done.stderr
        scores[name] = _record(tmp_path / name)
    assert scores['a']['metric'] == scores['b']['metric']
    assert scores['a']['corruption'] == 'gaussian_noise' and scores['a']['severity'] == 5
    assert scores['a']['metric']['mIoU'] < 0.5


def test_scale_flips_and_sliding_windows_run(tiny_world, tiny_rn, tmp_path, call_tool):
    slide = ('model.test_cfg.mode=slide', 'model.test_cfg.crop_size=(192,192)',
             'model.test_cfg.stride=(128,128)')
    for name, flags, options in (
            ('scale', ['--img-scale', 384, 384], ()), ('aug', ['--aug-test'], ()),
            ('slide', [], slide)):
        done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path / name,
                         *flags, *_options(tiny_world, *options))
        assert done.returncode == 0, done.stderr
        assert _record(tmp_path / name)['metric']['mIoU'] > 0.5, name
    assert list((tmp_path / 'aug').glob('eval_multi_scale_*.json'))


def test_refiners_run_and_what_is_none_of_the_classes_counts_as_wrong(tiny_world, tiny_rn,
                                                                      tmp_path, call_tool):
    refine = ("model.refine=[{'type':'ClassPrior'},{'type':'Pamr','iterations':2},"
              "{'type':'Background','scale':60,'prob_thd':0.3,'label':'none','words':['wall']},"
              "{'type':'Closing'}]")
    done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--out', tmp_path / 'maps.pkl',
                     '--show-dir', tmp_path / 'drawn', '--work-dir', tmp_path / 'work',
                     '--eval-options', f'confusion={tmp_path / "confusion.csv"}',
                     *_options(tiny_world, refine))
    assert done.returncode == 0, done.stderr
    with open(tmp_path / 'maps.pkl', 'rb') as file:
        maps = np.concatenate([labels.ravel() for labels in pickle.load(file)])
    assert 0.01 < (maps == 255).mean() < 0.5 and maps[maps != 255].max() < 14
    rows = [line.split(',') for line in (tmp_path / 'confusion.csv').read_text().splitlines()]
    counts = np.array([row[1:] for row in rows[1:]], dtype=int)
    assert rows[0][-1] == 'none' and counts[:, -1].sum() > 0
    record = _record(tmp_path / 'work')
    assert record['metric']['aAcc'] == pytest.approx(np.trace(counts) / counts.sum(), abs=1e-3)
    assert record['metric']['mIoU'] > 0.5
    assert [one['type'] for one in record['model']['refine']] == [
        'ClassPrior', 'Pamr', 'Background', 'Closing']


def test_own_pictures_and_class_names(tiny_world, tiny_rn, tmp_path, call_tool):
    config = tmp_path / 'folder.py'
    config.write_text(
        f"_base_ = ['{ROOT}/configs/_base_/models/maskclip_tinyrn.py',\n"
        f"          '{ROOT}/configs/_base_/datasets/image_folder.py',\n"
        f"          '{ROOT}/configs/_base_/default_runtime.py']\n")
    done = call_tool(TOOL, config, tiny_rn, '--img-dir', tiny_world / 'JPEGImages', '--classes',
                     'sky', 'grass; forest', 'zebra', '--background', 'sand', 'water', '--show-dir',
                     tmp_path / 'drawn', '--out', tmp_path / 'maps.pkl', '--work-dir',
                     tmp_path / 'work', '--cfg-options', FAST)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / 'drawn').iterdir())) == 10
    with open(tmp_path / 'maps.pkl', 'rb') as file:
        maps = pickle.load(file)
    assert max(labels.max() for labels in maps) <= 4
    done = call_tool(TOOL, config, tiny_rn, '--img-dir', tiny_world / 'JPEGImages', '--classes',
                     'sky', 'zebra', '--eval', 'mIoU', '--work-dir', tmp_path, '--cfg-options',
                     FAST)
    assert_bad_input(done, 'label')


def test_unreadable_image_is_named_and_counted(tiny_world, tiny_rn, tmp_path, call_tool):
    world = tmp_path / 'world'
    shutil.copytree(tiny_world, world)
    broken = sorted((world / 'JPEGImages').glob('val*'))[2]
    broken.write_bytes(broken.read_bytes()[:300])
    done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path / 'work',
                     *_options(world))
    assert done.returncode == 0, done.stderr
    assert broken.name in done.stderr + done.stdout
    assert '1 of 6 images could not be used' in done.stderr + done.stdout
    assert list(_record(tmp_path / 'work')['unreadable']) == [str(broken)]
    for image in (world / 'JPEGImages').glob('val*'):
        image.write_bytes(b'')
    done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path / 'none',
                     *_options(world))
    assert_bad_input(done, 'none of the 6 images')


@pytest.mark.parametrize('batch', [1, 2])
def test_an_image_that_is_too_small_for_the_model_is_left_out(batch, tiny_world, tiny_rn, tmp_path,
                                                              call_tool, monkeypatch):
    """What a convolution says that it doesn't fill; of the first image, and of a later one."""
    from PIL import Image
    world, extract = tmp_path / 'world', MaskClip.extract_feat
    shutil.copytree(tiny_world, world)
    narrow = sorted((world / 'JPEGImages').glob('val*'))[::3]
    for image in narrow:
        Image.new('RGB', (1000, 12)).save(image)

    def strict(self, img, **flags):
        torch.nn.functional.conv2d(img, torch.zeros(1, 3, 20, 20))
        return extract(self, img, **flags)

    monkeypatch.setattr(MaskClip, 'extract_feat', strict)
    done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path / 'work',
                     '--batch', batch, *_options(world))
    assert done.returncode == 0, done.stderr
    assert '2 of 6 images could not be used' in done.stderr + done.stdout
    left = _record(tmp_path / 'work')['unreadable']
    assert list(left) == list(map(str, narrow))
    assert all('too small' in reason and '--img-scale' in reason for reason in left.values())


def test_label_outside_the_classes_is_named(tiny_world, tiny_rn, tmp_path, call_tool):
    from PIL import Image
    world = tmp_path / 'world'
    shutil.copytree(tiny_world, world)
    label = sorted((world / 'SegmentationClass').glob('val*'))[0]
    Image.fromarray(np.full((256, 256), 77, np.uint8)).save(label)
    done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path / 'work',
                     *_options(world))
    assert_bad_input(done, label.name, '77')
    assert not list((tmp_path / 'work').glob('*.json'))


@cases('arguments, words', [
    (['missing.py', 'RN'], ['missing.py', 'does not exist']),
    (['CONFIG', 'missing.pth'], ['missing.pth', 'ship with this package']),
    (['CONFIG', 'RN', '--out', 'maps.txt'], ['maps.txt', '.pkl']),
    (['CONFIG', 'RN', '--opacity', '2'], ['2.0', 'above 0 and at most 1']),
    (['CONFIG', 'RN', '--corruption', 'rain'], ['rain', 'spatter']),
    (['CONFIG', 'RN', '--img-scale', '0', '5'], ['--img-scale is 0', 'at least 1']),
    (['CONFIG', 'RN', '--img-dir', 'nowhere'], ['nowhere']),
    (['CONFIG', 'RN', '--classes', 'a', 'b'], ['TinyWorldDataset']),
    (['DEMO', 'RN', '--img-dir', '.', '--classes', 'a', 'a'], ["'a'"]),
    (['DEMO', 'RN', '--img-dir', 'EMPTY', '--classes', 'a', 'b'], ['EMPTY']),
    (['CONFIG', 'RN', '--work-dir', '/proc/nowhere'], ['/proc/nowhere']),
    (['CONFIG', 'RN', '--format-only', '--eval-options', 'to_label_id=True'],
     ['to_label_id', 'imgfile_prefix']),
    (['CONFIG', 'RN', '--eval', 'mAP'], ['mAP', 'mIoU']),
    (['CONFIG', 'RN', '--launcher', 'pytorch'], ['dist_test.sh']),
    (['CONFIG', 'RN', '--cfg-options', 'model.backbone.typo=1'], ['typo']),
    (['CONFIG', 'RN', '--cfg-options', 'model.backbone.type=Nothing'], ['Nothing']),
    (['CONFIG', 'RN', '--cfg-options', 'model.decode_head.num_classes=3'], ['14', '3']),
    (['CONFIG', 'RN', '--cfg-options', 'words'], ['KEY=VALUE']),
    (['CONFIG', 'RN', '--cfg-options', 'model.backbone=3'], ['model cannot be built', 'int']),
    (['CONFIG', 'RN', '--cfg-options', 'data.test.pipeline=3'],
     ['data.test cannot', 'isinstance(transforms']),
    (['CONFIG', 'RN', '--cfg-options', 'data.test.pipeline.1.img_scale=3'],
     ['data.test cannot', 'img_scale']),
    (['CONFIG', 'RN', '--cfg-options', 'data.test_dataloader.workers_per_gpu=-1'],
     ['-1', 'at least 0']),
    (['CONFIG', 'RN', '--cfg-options', 'model.class_weight=softmax'], ["'softmax'", 'a dict']),
    (['CONFIG', 'RN', '--cfg-options', 'modl.x=3'], ['modl', "'model'"]),
    (['CONFIG', 'RN', '--cfg-options', 'model.decode_head.ks_thresh=abc'], ["'abc'"]),
    (['CONFIG', 'RN', '--cfg-options', 'data=3'], ['data']),
    (['CONFIG', 'RN', '--cfg-options', 'a=[1'], ["'a=[1'", 'brackets']),
    (['BROKEN', 'RN'], ['BROKEN', 'ZeroDivisionError']),
    (['CONFIG', 'RN', '--img-dir', 'EMPTY'], ['TinyWorldDataset']),
    (['CONFIG', 'RN', '--cfg-options', 'data.test.data_root=gone'], ['gone']),
])
def test_bad_input_is_one_sentence(arguments, words, tiny_world, tiny_rn, tmp_path, call_tool):
    (tmp_path / 'EMPTY').mkdir()
    broken = tmp_path / 'broken.py'
    broken.write_text('a = 1 / 0\n')
    known = {'BROKEN': broken, 'CONFIG': CONFIG, 'DEMO': DEMO, 'RN': tiny_rn,
             'EMPTY': tmp_path / 'EMPTY'}
    arguments = [known.get(word, word) for word in arguments]
    if '--cfg-options' not in arguments:
        arguments += ['--cfg-options']
    own_root = any('data_root' in str(word) for word in arguments)
    if arguments[0] != DEMO and not own_root:
        arguments += [f'data.test.data_root={tiny_world}']
    arguments += [FAST]
    if not {'--eval', '--format-only', '--out'} & set(map(str, arguments)):
        arguments = [*arguments[:2], '--show-dir', tmp_path / 'drawn', *arguments[2:]]
    if '--work-dir' not in arguments:
        arguments = [*arguments[:2], '--work-dir', tmp_path / 'work', *arguments[2:]]
    words = [str(known.get(word, word)) for word in words]
    assert_bad_input(call_tool(TOOL, *arguments), *words)
    assert not (ROOT / 'maps.txt').exists()


def test_checkpoint_of_a_diverged_run_is_refused(tiny_world, tmp_path, call_tool):
    from mmseg_maskclip.engine.build import build_model
    from mmseg_maskclip.engine.config import load_config
    state = build_model(load_config(str(ROOT / CONFIG))).state_dict()
    name = next(key for key, value in state.items() if value.ndim == 4)
    state[name][0, 0] = float('nan')
    torch.save({'state_dict': state, 'meta': None}, tmp_path / 'nan.pth')
    done = call_tool(TOOL, CONFIG, tmp_path / 'nan.pth', '--eval', 'mIoU', '--work-dir',
                     tmp_path / 'work', *_options(tiny_world))
    assert_bad_input(done, 'nan.pth', 'NaN or infinity', name)


def test_other_towers_file_is_refused(tiny_world, tmp_path, call_tool):
    other = save_as(make_tiny_clip('vit'), tmp_path / 'other.pt', 'state_dict')
    done = call_tool(TOOL, CONFIG, other, '--eval', 'mIoU', '--work-dir', tmp_path / 'work',
                     *_options(tiny_world))
    assert_bad_input(done, 'other.pt', 'TinyRN')


def test_nothing_to_do_is_an_error(tiny_rn, call_tool):
    done = call_tool(TOOL, CONFIG, tiny_rn)
    assert done.returncode == 2 and 'nothing to do' in done.stderr


def test_help_answers_at_once():
    """No heavy import before the command line is read."""
    code = ('import sys, runpy; sys.argv = ["test.py", "--help"]\n'
            'try: runpy.run_path("tools/test.py", run_name="__main__")\n'
            'except SystemExit: pass\n'
            'assert "torch" not in sys.modules')
    subprocess.run([sys.executable, '-c', code], cwd=ROOT, check=True, capture_output=True)


def test_interrupted_run_leaves_no_figures(tiny_world, tiny_rn, tmp_path):
    """Killed by Ctrl-C in the middle: no traceback, nothing under a final name."""
    world, drawn = tmp_path / 'world', tmp_path / 'drawn'
    shutil.copytree(tiny_world, world)
    split = world / 'ImageSets/Segmentation/val.txt'
    names = split.read_text().split()
    split.write_text('\n'.join(100 * names) + '\n')
    run = start_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--out', tmp_path / 'maps.pkl',
                     '--show-dir', drawn, '--work-dir', tmp_path / 'work', *_options(world))
    run.wait_for(drawn / f'{names[0]}.jpg')
    run.signal(signal.SIGINT)
    done = run.wait()
    assert done.returncode == 130, done.stderr
    assert 'interrupted' in done.stderr and 'Traceback' not in done.stderr
    assert not (tmp_path / 'maps.pkl').exists()
    assert not list((tmp_path / 'work').glob('*.json'))


def test_pictures_are_never_overwritten(tiny_world, tiny_rn, tmp_path, call_tool):
    images = tiny_world / 'JPEGImages'
    before = {path.name: path.read_bytes() for path in images.iterdir()}
    for folder in (images, images / 'drawn'):
        done = call_tool(TOOL, CONFIG, tiny_rn, '--show-dir', folder, '--work-dir', tmp_path,
                         *_options(tiny_world))
        assert_bad_input(done, str(folder), 'another folder')
    # No folder either, where a refused run was to draw.
    assert {path.name: path.read_bytes() for path in images.iterdir()} == before


def test_damaged_weights_are_refused(tiny_world, tiny_rn, tmp_path, call_tool):
    state = torch.load(tiny_rn, weights_only=True)
    content = state.get('state_dict', state)
    content['visual.layer2.0.conv1.weight'].fill_(float('nan'))
    torch.save(state, tmp_path / 'nan.pth')
    done = call_tool(TOOL, CONFIG, tmp_path / 'nan.pth', '--eval', 'mIoU', '--work-dir', tmp_path,
                     *_options(tiny_world))
    assert_bad_input(done, 'nan.pth', 'NaN or infinity')


WEIGHT = ['model.class_weight.mode=log_prior', 'model.class_weight.tau=0.02',
          'model.class_weight.classifier=TinyRN']


def test_class_weight_is_set_on_the_command_line_and_recorded(plain_run, tiny_world, tiny_rn,
                                                              call_tool, tmp_path):
    kept = tmp_path / 'kept'
    for work in ('first', 'again'):
        done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path / work,
                         *_options(tiny_world, *WEIGHT, f'model.class_weight.cache_dir={kept}'))
        assert done.returncode == 0, done.stderr
    first, again = (_record(tmp_path / work) for work in ('first', 'again'))
    assert first['metric'] == again['metric'] != _record(plain_run[0] / 'work')['metric']
    assert first['model']['class_weight']['tau'] == 0.02
    assert len(list(kept.glob('TinyRN_*.sqlite'))) == 1


def test_corrupted_images_give_their_own_prior(tiny_world, tiny_rn, call_tool, tmp_path):
    """The file is not corrupted, so the class weight reads what the network sees."""
    done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU', '--work-dir', tmp_path,
                     '--corruption', 'gaussian_blur', '--severity', 5,
                     *_options(tiny_world, *WEIGHT))
    assert done.returncode == 0, done.stderr
    assert _record(tmp_path)['model']['class_weight']['source'] == 'input'


def test_class_weight_without_its_clip_is_told(tiny_world, tiny_rn, tmp_path, monkeypatch,
                                               call_tool):
    monkeypatch.chdir(tmp_path)
    done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU',
                     *_options(tiny_world, 'model.class_weight.tau=1.0'))
    assert_bad_input(done, 'pretrain/ViT-B-16.pt', 'bash download_weights.sh ViT-B/16')
    done = call_tool(TOOL, CONFIG, tiny_rn, '--eval', 'mIoU',
                     *_options(tiny_world, 'model.class_weight.temperature=1.0'))
    assert_bad_input(done, 'temperature')
