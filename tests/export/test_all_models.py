"""Every model that can be exported, end to end beside torch; and where there is no torch."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

import mmseg_maskclip
from mmseg_maskclip import build_model, load_config
from mmseg_maskclip.clip import build_text_bank, find_checkpoint, get_spec, read_clip_checkpoint
from mmseg_maskclip.engine.train.resume import describe_model
from mmseg_maskclip.portable.inputs import resize_picture
from mmseg_maskclip.tinyworld import CLASSES
from mmseg_maskclip.tinyworld.scenes import scene

from helpers.students import DECODERS

pytestmark = pytest.mark.slow
WORDS = ['sky; clouds', 'ladybird', 'bricks', 'strawberry', 'giraffe']
STUDENT = 'tiny/maskclip_plus_tinyrn_deeplabv2_tiny_256x256_400_tinyworld.py'
ZEGCLIP = 'tiny/zegclip_tinyvit8_128x128_800_tinyworld.py'
#: MaskCLIP's read-out by other names than methods have: values without a tail, and padding.
OPTIONS = {
    'value': {'model.backbone.readout': dict(type='AttentionReadout', pairs='v', residual=False,
                                             ffn=False)},
    'bilinear': {'model.backbone.positions': 'bilinear', 'model.backbone.pad': 'centre'},
    'windows': {'model.test_cfg': dict(mode='slide', crop_size=(128, 120), stride=(96, 72))},
}


def assert_equal_labels(found, model, words):
    """Labels of pictures whose sides are no multiples of anything."""
    for index, size in enumerate(((256, 256), (211, 300), (300, 171))):
        picture = resize_picture(scene(0, index).image, size)
        ours, theirs = found.predict(picture), model.predict(picture, words)
        assert (ours.labels == theirs.labels).mean() > 0.999
        np.testing.assert_allclose(ours.scores, theirs.scores, atol=2e-3)
        assert (ours.presence is None) == (theirs.presence is None)
        if ours.presence is not None:
            assert ours.presence == pytest.approx(theirs.presence, abs=1e-3)


def export_and_compare(tmp_path, words, source, weights=None, **settings):
    written = mmseg_maskclip.export_model(source, tmp_path / 'm.onnx', words=words,
                                          weights=weights, **settings)
    model = mmseg_maskclip.load(source, weights, device='cpu', **settings)
    found = mmseg_maskclip.load_exported(written.path, written.bank)
    assert_equal_labels(found, model, words)
    return found


@pytest.mark.parametrize('name, method', [('TinyViT', 'naclip'), ('TinyRN', None)])
def test_files_of_torch(name, method, tmp_path):
    """Loaded by torch alone, at a size that was not checked."""
    written = mmseg_maskclip.export_model(name, tmp_path / 'm.pt2', 'torch-export', method=method)
    extra = {'maskclip.json': ''}
    program = torch.export.load(written.path, extra_files=extra).module()
    assert json.loads(extra['maskclip.json'])['clip'] == name
    model = mmseg_maskclip.load(name, device='cpu', method=method)
    bank = mmseg_maskclip.make_bank(model, WORDS)
    image = torch.rand(1, 3, 96, 224) * 255
    scores = program(image, torch.from_numpy(bank.embeddings))[0]
    mean, std = (torch.tensor(getattr(written.description, name)).view(1, 3, 1, 1)
                 for name in ('mean', 'std'))
    expected = model._built.model.read_window((image - mean) / std).features
    expected = torch.nn.functional.normalize(expected, dim=1)
    expected = torch.einsum('bdhw,kd->bkhw', expected, torch.from_numpy(bank.embeddings))
    torch.testing.assert_close(scores, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize('method', ['clip', 'sclip', 'clearclip', 'naclip', 'gem'])
def test_read_outs(method, tmp_path):
    found = export_and_compare(tmp_path, WORDS, 'TinyViT', method=method)
    assert found.model.description.window == (128, 128)


@pytest.mark.parametrize('name', OPTIONS)
def test_settings_of_a_tower(name, tmp_path):
    export_and_compare(tmp_path, WORDS, 'TinyViT', options=OPTIONS[name])


@pytest.mark.parametrize('fidelity', ['clip', 'paper'])
def test_the_resnet(fidelity, tmp_path):
    export_and_compare(tmp_path, WORDS, 'TinyRN', fidelity=fidelity)


@pytest.mark.parametrize('student', DECODERS)
def test_students(student, tmp_path):
    backbone, decoder = DECODERS[student]
    config = load_config(STUDENT)
    head = {**config.model.decode_head, 'decoder': decoder, 'text_channels': 128}
    if student == 'segformer':
        # One with a background of its own, and synonyms.
        head.update(cls_bg=True, num_classes=4, vocabulary=None, synonyms='separate')
    head.pop('in_channels', None)
    # An update would merge them with what is there.
    config.model['backbone'], config.model['decode_head'] = backbone, head
    torch.manual_seed(0)
    model = build_model(Config(config._cfg_dict))
    spec, synonyms = get_spec('TinyRN'), student == 'segformer'
    names = ['sky', 'bricks; grass', 'ladybird'] if synonyms else list(CLASSES)
    model.decode_head.set_text_bank(build_text_bank(
        read_clip_checkpoint(find_checkpoint(spec)), spec, names, progress=False,
        synonyms='separate' if synonyms else 'mean'))
    shown = ['background', 'sky', 'bricks', 'ladybird'] if synonyms else list(CLASSES)
    _save(tmp_path / 'student.pth', config, model, shown)
    found = export_and_compare(tmp_path, None, tmp_path / 'student.pth')
    assert found.names == tuple(shown) and found.model.description.kind == 'logits'
    skipped = []
    narrow = np.zeros((10, 900, 3), np.uint8)
    assert not list(found.predict_many([narrow], progress=False, skipped=skipped))
    assert 'at least 64 x 64' in skipped[0][1]


@pytest.mark.parametrize('words', [None, ['sky', 'grass; lawn']])
def test_zegclip(words, tmp_path):
    config = load_config(ZEGCLIP)
    config.model.test_cfg.seen_offset = 0.3
    # With 2 blocks in place of 8.
    config.model.backbone.arch = config.model.clip_checkpoint = 'TinyViT'
    torch.manual_seed(0)
    model = build_model(Config(config._cfg_dict))
    model.init_weights()
    _save(tmp_path / 'zegclip.pth', config, model, CLASSES)
    found = export_and_compare(tmp_path, words, tmp_path / 'zegclip.pth',
                               options={'model.test_cfg.mode': 'slide'})
    assert (found.bank.offset is None) == (words is not None)


def test_eight_bits_keep_most_labels(tmp_path):
    written = mmseg_maskclip.export_model('TinyViT8', tmp_path / 'm.onnx', words=list(CLASSES),
                                          int8=True)
    assert written.path.stat().st_size < 5 << 20
    model = mmseg_maskclip.load('TinyViT8', device='cpu')
    found = mmseg_maskclip.load_exported(written.path, written.bank)
    shares = [(found.predict(scene(0, index).image).labels
               == model.predict(scene(0, index).image, list(CLASSES)).labels).mean()
              for index in range(4)]
    assert np.mean(shares) > 0.9


def test_it_runs_where_there_is_neither_torch_nor_mmcv(tmp_path):
    made = subprocess.run(['bash', str(Path(__file__).parent / 'without_torch.sh')],
                          stdout=subprocess.PIPE, text=True, check=True)
    folder = Path(made.stdout.strip())
    names = json.loads(subprocess.run(
        [folder / 'bin/python', '-m', 'pip', 'list', '--format', 'json',
         '--disable-pip-version-check'], stdout=subprocess.PIPE, text=True, check=True).stdout)
    assert not {'torch', 'mmcv', 'mmsegmentation', 'opencv-python-headless'} & {
        one['name'] for one in names}
    written = mmseg_maskclip.export_model('TinyViT', tmp_path / 'm.onnx', words=WORDS)
    Image.fromarray(scene(0, 0).image).resize((300, 211)).save(tmp_path / 'a.png')
    command = [folder / 'bin/maskclip', 'predict', tmp_path / 'a.png', '--model', written.path,
               '--bank', written.bank, '--out', tmp_path / 'out']
    subprocess.run([*command, '--formats', 'png', 'labelme', 'cvat', 'labelstudio'], check=True,
                   cwd=tmp_path)
    labels = np.asarray(Image.open(tmp_path / 'out/annotations/a.png'))
    expected = mmseg_maskclip.load('TinyViT', device='cpu').predict(tmp_path / 'a.png', WORDS)
    assert (labels == expected.labels).mean() > 0.999
    overlay = subprocess.run([*command, '--overlay'], stderr=subprocess.PIPE, text=True,
                             cwd=tmp_path)
    assert overlay.returncode == 2 and 'pip install opencv-python-headless' in overlay.stderr
    for words in (['predict', tmp_path / 'a.png', '--model', 'TinyRN', '--classes', 'sky'],
                  ['export', 'TinyRN', '--out', 'x.onnx'], ['train', 'config.py']):
        done = subprocess.run([folder / 'bin/maskclip', *words], stderr=subprocess.PIPE, text=True,
                              cwd=tmp_path)
        assert done.returncode == 2 and 'error: this needs' in done.stderr, done.stderr
        assert 'Traceback' not in done.stderr


def _save(path, config, model, classes):
    meta = {'CLASSES': list(classes), 'PALETTE': [[index, 0, 9] for index in range(len(classes))],
            'model': describe_model(config), **getattr(model, 'checkpoint_meta', {})}
    torch.save({'state_dict': model.state_dict(), 'meta': meta}, path)
