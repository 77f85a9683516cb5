"""A trained ZegCLIP on the command line: its modes, other classes, new words, what is refused."""

import json
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.tinyworld import CLASSES

from helpers.cases import cases
from helpers.recordings import read
from helpers.tools import ROOT, assert_bad_input, run_tool
from helpers.training import write_plain_config, write_training_config
from helpers.zegclip import write_zegclip_config

TEST, TRAIN = 'tools/test.py', 'tools/train.py'
VIT = ROOT / 'mmseg_maskclip/tinyworld/weights/tiny_vit.pth'
MODES = ['inductive', 'transductive', 'supervised']
STEPS = 40
OFFSET = 0.03
UNSEEN = [3, 9, 11, 12]
NAMES = ('mIoU', 'mIoU(S)', 'mIoU(U)', 'hIoU', 'pAcc')
SIZE = ('--img-scale', 64, 64)
# Another data set: some of the classes, in another order than in training.
OTHERS = ['sand', 'sky', 'grass', 'water', 'forest']


@pytest.fixture(scope='module')
def runs(tiny_world, tmp_path_factory):
    """A short run of each mode, evaluated: (config, checkpoint)."""
    folder, found = tmp_path_factory.mktemp('zegclip'), {}
    for mode in MODES:
        config = write_zegclip_config(folder / f'{mode}.py', tiny_world, mode, STEPS)
        # So short a run never lifts a score above an offset of 0.1, but with these settings it
        # finds some of all classes.
        config.write_text(config.read_text().replace(
            'test_cfg=dict(', f'test_cfg=dict(seen_offset={OFFSET * (mode == "inductive")}, ')
            .replace('decode_head=dict(', 'decode_head=dict(loss_decode=dict(mask_weight=1.0), '))
        start = ('--load-from', found['inductive'][1]) if mode == 'transductive' else ()
        done = run_tool(TRAIN, config, '--work-dir', folder / mode, '--seed', 0, *start,
                        '--cfg-options', f'evaluation.interval={STEPS}',
                        f'checkpoint_config.interval={STEPS}',
                        'data.val.pipeline.1.img_scale=(64,64)', 'optimizer.lr=0.002')
        assert done.returncode == 0, done.stderr
        found[mode] = config, folder / mode / f'iter_{STEPS}.pth'
    return found


@pytest.fixture
def tested(runs, tmp_path, call_tool):
    """Test the model of a mode: what it printed, and its record."""
    def tested(*options, mode='inductive', flags=(), checkpoint=None):
        folder = tmp_path / f'test{len(list(tmp_path.iterdir()))}'
        config, trained = runs[mode]
        done = call_tool(TEST, config, checkpoint or trained, '--eval', 'mIoU', *SIZE, '--work-dir',
                         folder, *flags, '--cfg-options', 'data.workers_per_gpu=0', *options)
        assert done.returncode == 0, done.stderr
        file, = folder.glob('eval_*.json')
        return done.stderr + done.stdout, json.loads(file.read_text())
    return tested


def _metrics(record):
    return {name: record['metric'][name] for name in NAMES}


@pytest.mark.parametrize('mode', MODES)
def test_seen_and_unseen_classes_count_in_every_mode(mode, runs, tested):
    shown, record = tested(mode=mode)
    metric = record['metric']
    for name, ids in (('U', UNSEEN), ('S', set(range(len(CLASSES))) - {*UNSEEN})):
        found = [metric[f'IoU.{CLASSES[index]}'] for index in ids]
        assert metric[f'mIoU({name})'] == pytest.approx(
            np.mean([value for value in found if value is not None]), abs=1e-4)
    seen, unseen = metric['mIoU(S)'], metric['mIoU(U)']
    assert metric['hIoU'] == pytest.approx(2 * seen * unseen / max(seen + unseen, 1e-9), abs=1e-4)
    assert metric['pAcc'] > 0 and (metric['hIoU'] > 0 or mode != 'inductive')
    assert {'mIoU(S)', 'mIoU(U)', 'hIoU'} <= set(shown.split())
    assert 'WARNING' not in shown
    in_training = json.loads((runs[mode][1].parent / 'evaluations.json').read_text())
    assert {name: in_training[str(STEPS)]['metrics'][name] for name in NAMES} == _metrics(record)


def test_the_log_of_a_run_calls_it_what_it_is(runs):
    for mode in MODES:
        text = next(runs[mode][1].parent.glob('*.log')).read_text()
        assert 'student' not in text and 'teacher' not in text
        assert ('are labelled by the model itself' in text) == (mode == 'transductive')


def test_offsets_and_queries_of_the_same_pass(tiny_world, tested, tmp_path):
    sheets = tmp_path / 'sheets'
    _, record = tested(flags=('--eval-options', f'seen_offsets=[0,{OFFSET},0.05]', '--show-queries',
                              sheets))
    curve = record['seen_offsets']
    rows = [{name: curve[name][index] for name in NAMES} for index in range(3)]
    assert curve['offsets'] == [0, OFFSET, 0.05] and curve['model_offset'] == OFFSET
    assert rows[1] == _metrics(record)
    # Counted without another forward pass, and what that would give.
    _, without = tested('model.test_cfg.seen_offset=0')
    assert rows[0] == pytest.approx(_metrics(without), abs=1e-4)
    assert rows[0] != rows[1] != rows[2]
    assert len(list(tmp_path.glob('test*/eval_*_seen_offsets.png'))) == 1
    names = (tiny_world / 'ImageSets/Segmentation/val.txt').read_text().split()
    assert sorted(path.name for path in sheets.iterdir()) == sorted(f'{one}.png' for one in names)


def _on_other_classes(classes, *more):
    names = f'[{",".join(classes)}]'
    return (f'data.test.classes={names}', 'data.test.unseen=[]', 'model.transfer=True',
            'model.unseen=[]', 'model.test_cfg.seen_offset=0',
            f'model.decode_head.num_classes={len(classes)}',
            f'model.decode_head.vocabulary={names}', *more)


def test_another_data_set_is_asked_for_its_own_classes(runs, tested, tmp_path):
    shown, record = tested(*_on_other_classes(OTHERS))
    found = {name: record['metric'][f'IoU.{name}'] for name in OTHERS}
    assert 'WARNING' not in shown and 'mIoU(U)' not in record['metric']
    _, turned = tested(*_on_other_classes(OTHERS[::-1]))
    assert {name: turned['metric'][f'IoU.{name}'] for name in OTHERS} == found
    # Rows of a file without names are taken as they stand, here in the wrong order.
    whole = torch.load(runs['inductive'][1], weights_only=True)['state_dict']
    rows = whole['decode_head.text.embeddings'][[CLASSES.index(name) for name in OTHERS]].numpy()
    for order, same in ((1, True), (-1, False)):
        np.save(tmp_path / 'rows.npy', rows[::order])
        _, given = tested(*_on_other_classes(
            OTHERS, f'model.decode_head.text_embeddings_path={tmp_path / "rows.npy"}'))
        assert (_metrics_of(given) == pytest.approx(_metrics_of(record), abs=1e-4)) == same


def _metrics_of(record):
    return {name: record['metric'][name] for name in ('mIoU', 'pAcc')}


def test_new_words_for_own_pictures(tiny_world, runs, tmp_path, call_tool):
    found = []
    for number, words in enumerate((['sky', 'grass; lawn'], ['grass; lawn', 'sky'])):
        done = call_tool(TEST, *runs['inductive'], *SIZE, '--img-dir', tiny_world / 'JPEGImages',
                         '--classes', *words, '--show-dir', tmp_path / 'drawn', '--out',
                         tmp_path / f'{number}.pkl', '--work-dir', tmp_path / 'work',
                         '--cfg-options', 'data.workers_per_gpu=0')
        assert done.returncode == 0, done.stderr
        with open(tmp_path / f'{number}.pkl', 'rb') as file:
            found.append(np.stack(pickle.load(file)))
    assert len(list((tmp_path / 'drawn').iterdir())) == len(found[0]) == 10
    assert set(np.unique(found[0])) == {0, 1} and (found[1] == 1 - found[0]).mean() > 0.999


def test_a_full_checkpoint_needs_no_clip_file(runs, tested, tmp_path, call_tool):
    done = call_tool(TRAIN, runs['supervised'][0], '--work-dir', tmp_path / 'full', '--seed', 0,
                     '--full-checkpoint', '--no-validate', '--cfg-options',
                     f'checkpoint_config.interval={STEPS}', 'optimizer.lr=0.002')
    assert done.returncode == 0, done.stderr
    gone = f'model.clip_checkpoint={tmp_path / "gone.pt"}'
    _, full = tested(gone, mode='supervised', checkpoint=tmp_path / f'full/iter_{STEPS}.pth')
    assert _metrics(full) == _metrics(tested(mode='supervised')[1])
    done = call_tool(TEST, *runs['supervised'], '--eval', 'mIoU', '--work-dir', tmp_path / 'work',
                     '--cfg-options', gone)
    assert_bad_input(done, 'gone.pt does not exist', str(VIT))


def test_other_splits_are_told(tested, runs):
    shown, _ = tested(checkpoint=runs['supervised'][1])
    assert "trained with labels of 'water', 'giraffe', 'strawberry', ..." in shown
    assert 'seen_offset' not in shown
    shown, _ = tested('data.test.unseen=[1,3]')
    assert 'all classes but [3, 9, 11, 12], model.unseen; metrics count [1, 3]' in shown
    assert "trained with labels of 'sky', unseen here" in shown
    # A supervised model is not asked for what it has not seen, and takes no offset.
    assert 'WARNING' not in tested(mode='supervised', checkpoint=runs['inductive'][1])[0]


def test_text_embeddings_stay_those_of_the_training(tested):
    shown, record = tested('model.decode_head.templates=cifar18')
    assert "'cifar18'" in shown and 'are not used' in shown
    assert _metrics(record) == _metrics(tested()[1])


@pytest.fixture(scope='module')
def files(runs, tiny_world, tmp_path_factory):
    """What may be given by mistake, by the names that the cases below have for it."""
    folder = tmp_path_factory.mktemp('files')
    state = torch.load(runs['inductive'][1], weights_only=True)['state_dict']
    text = state['decode_head.text.embeddings']
    order = [1, 0, *range(2, len(CLASSES))]
    TextBank(embeddings=text[order], class_names=tuple(CLASSES[index] for index in order)).save(
        folder / 'turned.pth')
    TextBank(embeddings=text[:5], class_names=tuple(OTHERS[::-1])).save(folder / 'reversed.pth')
    np.save(folder / 'narrow.npy', text[:, :64].numpy())
    for name, write in (('PLAIN', write_plain_config), ('PLUS', write_training_config)):
        model = build_model(load_config(write(folder / f'{name}.py', tiny_world)))
        torch.save({'state_dict': model.state_dict(), 'meta': {}}, folder / f'{name}.pth')
    # Trained with labels of all classes but one.
    content = torch.load(runs['inductive'][1], weights_only=True)
    model = json.loads(content['meta']['model'])
    content['meta']['model'] = json.dumps({**model, 'unseen': [3]})
    torch.save(content, folder / 'SPLIT.pth')
    return {'TURNED': folder / 'turned.pth', 'NARROW': folder / 'narrow.npy', 'VIT': VIT,
            'REVERSED': folder / 'reversed.pth', 'SPLIT': folder / 'SPLIT.pth',
            'PLAIN': folder / 'PLAIN.pth', 'PLUS': folder / 'PLUS.pth',
            'TRAINED': runs['inductive'][1], 'SUPERVISED': runs['supervised'][1]}


HEAD = 'model.decode_head'


@cases('mode, arguments, words', [
    ('inductive', ['model.backbone.arch=TinyRN'], ['CLIP model TinyRN has a resnet tower', 'ViT']),
    ('inductive', ['model.backbone.arch=RN50'], ['CLIP model RN50 has a resnet tower']),
    ('inductive', ['model.clip_checkpoint=TinyRN'], ['ModifiedResNet', 'expected TinyViT']),
    ('inductive', ['model.clip_checkpoint=gone.pt'], ['gone.pt does not exist', str(VIT)]),
    ('inductive', ['model.clip_checkpoint=None'], ['set model.clip_checkpoint']),
    ('inductive', ['model.backbone.prompt_dim=64'],
     ['prompt_dim is 64, expected 192', 'leave it out']),
    ('inductive', ['model.backbone.prompt_length=4'], ['PromptedClipViT', 'prompt_length']),
    ('inductive', [f'{HEAD}.text_embeddings_path=TURNED'], ["'sky' as class 0, expected 'grass'"]),
    ('inductive', [f'{HEAD}.text_embeddings_path=NARROW'], ['(14, 64), expected (14, 128)']),
    ('inductive', ['model.unseen=[3,14]'], ['[3, 14], expected different class ids from 0 to 13']),
    ('inductive', ['model.unseen=[water]'], ["['water'], expected different class ids"]),
    ('inductive', ['model.unseen=None'], ['names 0 of 14 classes']),
    ('inductive', ['model.unseen=3'], ["withholds the labels of 'giraffe'"]),
    ('inductive', ['model.unseen=[3,9,11,12,13]'],
     ["'melon' is an unseen class of model.unseen, but labelled", "unlabelled='unseen'"]),
    ('inductive', ['data.train.unlabelled=None'], ["'water' is an unseen class", 'labelled in']),
    ('inductive', ['data.train.unlabelled=all'], ["withholds the labels of 'grass'"]),
    ('supervised', ['data.train.unlabelled=unseen'],
     ["withholds the labels of 'water'", 'unlabelled=None']),
    ('inductive', ['model.transfer=True', 'model.unseen=[]'], ['model.transfer is True']),
    ('inductive', ['model.test_cfg.seen_offset=high'], ["'high', expected a number"]),
    ('inductive', ['--load-from', 'PLUS'], ['PLUS.pth does not fit', 'prompt_embeddings']),
    ('inductive', ['--load-from', 'VIT'], ['tiny_vit.pth is not a checkpoint that training wrote']),
    ('inductive', ['--load-from', 'gone.pth'], ['gone.pth does not exist']),
    ('inductive', ['--load-from', 'SUPERVISED'],
     ['trained with the labels of all classes', 'start without --load-from']),
    ('transductive', [], ["mode='inductive'", '--load-from WORK_DIR/iter_N.pth', '--from-scratch']),
    ('transductive', ['--load-from', 'SUPERVISED'], ['trained with the labels of all classes']),
    ('transductive', ['--load-from', 'SPLIT'], ['trained with the labels of classes [9, 11, 12]']),
])
def test_a_run_that_can_not_be_is_refused(mode, arguments, words, runs, files, tmp_path, call_tool):
    flags, options = _split(arguments, files)
    done = call_tool(TRAIN, runs[mode][0], '--work-dir', tmp_path, '--no-validate', *flags,
                     '--cfg-options', 'data.workers_per_gpu=0', *options)
    assert_bad_input(done, *words)
    assert not list(tmp_path.glob('*.pth'))


def _split(arguments, files):
    """Flags, and KEY=VALUE words; files stand under their names."""
    named = [files.get(word, word) if '=' not in word else '='.join(
        str(files.get(part, part)) for part in word.split('=', 1)) for word in arguments]
    options = [word for word in named if '=' in str(word)]
    return [word for word in named if word not in options], options


def test_every_shipped_transductive_config_names_the_run_before_it(tmp_path, call_tool):
    found = [path.relative_to(ROOT) for path in sorted((ROOT / 'configs').glob('*/*transductive*'))]
    assert len(found) == 4
    for path in found:
        done = call_tool(TRAIN, path, '--work-dir', tmp_path)
        start, = re.findall(r'run python tools/train\.py (\S+\.py), then this one', done.stderr)
        before, config = load_config(ROOT / start), load_config(ROOT / path)
        assert before.model.mode == 'inductive' and before.data.train == config.data.train
        # Published is the half of the schedule, of which the checkpoint has to be written.
        half = before.runner.max_iters // 2
        assert half % before.checkpoint_config.interval == 0
        assert_bad_input(done, f'--load-from work_dirs/{Path(start).stem}/iter_{half}.pth')


@cases('checkpoint, arguments, words', [
    ('TRAINED', ['model.backbone.num_prompts=3'],
     ['of another shape', 'prompt_embeddings', 'number and depth of the prompts']),
    ('TRAINED', ['model.backbone.num_prompts=0'], ['4 are not expected']),
    ('TRAINED', _on_other_classes(OTHERS, f'{HEAD}.text_embeddings_path=REVERSED'),
     ["'forest' as class 0, expected 'sand'"]),
    ('TRAINED', _on_other_classes(OTHERS, f'{HEAD}.text_embeddings_path=NARROW'),
     ['(14, 64), expected (5, 128)']),
    ('TRAINED', ['model.test_cfg.seen_offset=[0,1]'], ['[0, 1], expected a number']),
    ('TRAINED', ['data.test.classes=[sky,sand]'], ['14 classes', 'TinyWorldDataset 2']),
    ('TRAINED', [option for option in _on_other_classes(OTHERS) if 'transfer' not in option],
     ['names 0 of 5 classes', 'transfer=True']),
    ('TRAINED', [*_on_other_classes(OTHERS), 'data.test.classes=[sky,sand,grass,water,forest]'],
     ["'sand' is class 0 in model.decode_head.vocabulary and class 1 in the data set"]),
    ('PLAIN', [], ['PLAIN.pth does not fit', 'prompt_embeddings']),
    ('PLUS', [], ['PLUS.pth does not fit', 'prompt_embeddings']),
    ('VIT', [], ['tiny_vit.pth is not the checkpoint of a segmentor', 'training it wrote']),
    ('gone.pth', [], ['gone.pth does not exist', 'WORK_DIR/latest.pth']),
    ('TRAINED', ['--classes', 'sky', 'sand'], ['--classes', 'give --img-dir, too']),
    ('TRAINED', ['--img-dir', ROOT / 'docs/images'], ['has no labels to compare with']),
])
def test_a_test_that_can_not_be_is_refused(checkpoint, arguments, words, runs, files, tmp_path,
                                           call_tool):
    flags, options = _split(map(str, arguments), files)
    done = call_tool(TEST, runs['inductive'][0], files.get(checkpoint, checkpoint), '--eval',
                     'mIoU', *SIZE, '--work-dir', tmp_path, *flags, '--cfg-options',
                     'data.workers_per_gpu=0', *options)
    assert_bad_input(done, *words)
    assert not list(tmp_path.glob('*.json'))


def test_words_that_the_text_tower_does_not_know_are_told(tiny_world, runs, tmp_path, call_tool):
    done = call_tool(TEST, *runs['inductive'], *SIZE, '--img-dir', tiny_world / 'JPEGImages',
                     '--classes', 'sky', 'Schmetterling', '--show-dir', tmp_path / 'drawn',
                     '--work-dir', tmp_path, '--cfg-options', 'data.workers_per_gpu=0')
    assert_bad_input(done, 'does not know the word', 'a photo of a Schmetterling',
                     'words of the embedded world alone')


def test_a_released_checkpoint_is_tested_and_other_classes_are_refused(tiny_world, tmp_path,
                                                                       call_tool):
    stored, names = read('zegclip_inductive'), list(CLASSES[:6])
    torch.save({'state_dict': {key[3:]: torch.from_numpy(value) for key, value in stored.items()
                               if key.startswith('sd/')}, 'meta': {}}, tmp_path / 'released.pth')
    np.save(tmp_path / 'text.npy', stored['text'])
    arch = dict(width=48, layers=3, heads=4, patch_size=8, image_size=64, embed_dim=32)
    config = tmp_path / 'released.py'
    config.write_text(f"""
_base_ = [{str(ROOT / 'configs/_base_/datasets/tinyworld.py')!r},
          {str(ROOT / 'configs/_base_/default_runtime.py')!r}]
model = dict(type='ZegClip', unseen=[4, 5], backbone=dict(
    type='PromptedClipViT', arch={arch}, num_prompts=3, positions='bilinear', stored_grid=(8, 8),
    renormalise=False, double_class_token=True), decode_head=dict(
    type='ZegClipHead', num_classes=6, text_channels=32, embed_dims=32, num_heads=4,
    vocabulary={names}, text_embeddings_path={str(tmp_path / 'text.npy')!r}),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
data = dict(workers_per_gpu=0, test=dict(data_root={str(tiny_world)!r}, classes={names},
                                         unseen=[4, 5]))
""")
    flags = [TEST, config, tmp_path / 'released.pth', '--eval', 'mIoU', *SIZE, '--work-dir',
             tmp_path / 'work']
    done = call_tool(*flags)
    assert done.returncode == 0, done.stderr
    assert 'is a checkpoint of the official ZegCLIP' in done.stderr + done.stdout
    done = call_tool(*flags, '--cfg-options', 'model.unseen=[5]', 'data.test.unseen=[5]')
    assert_bad_input(done, 'released.pth was trained with num_classes=4, expected 5 or 6')


def test_void_pixels_are_labelled_in_the_honest_variant_alone(tiny_world, runs, tmp_path,
                                                              call_tool):
    world = tmp_path / 'world'
    shutil.copytree(tiny_world, world)
    for path in (world / 'SegmentationClass').glob('train*'):
        labels = np.array(Image.open(path))
        labels[len(labels) // 2:] = 255
        Image.fromarray(labels).save(path)
    logged = {}
    for mode in ('inductive', 'transductive'):
        for honest in (False, True):
            folder = tmp_path / f'{mode}{honest}'
            start = ['--from-scratch'] if mode == 'transductive' else []
            done = call_tool(TRAIN, runs[mode][0], '--work-dir', folder, '--seed', 0, *start,
                             '--no-validate', '--cfg-options', f'data.train.data_root={world}',
                             'runner.max_iters=1', f'data.train.unlabel_ignored={honest}')
            assert done.returncode == 0, done.stderr
            line = next(folder.glob('*.log.json')).read_text().splitlines()[-1]
            logged[mode, honest] = json.loads(line)
    plain, honest = (logged['transductive', value]['decode.filled_self'] for value in (False, True))
    assert 0.02 < plain < 0.5 and honest - plain == pytest.approx(0.5, abs=1e-3)
    assert logged['inductive', False]['loss'] == logged['inductive', True]['loss']
    assert logged['transductive', False]['loss'] != logged['transductive', True]['loss']
