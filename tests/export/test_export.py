"""Models as ONNX: written, checked, and run beside torch."""

import json

import numpy as np
import onnx
import onnx.numpy_helper
import onnxruntime
import pytest
import torch
from PIL import Image

import mmseg_maskclip
from mmseg_maskclip.export import checking
from mmseg_maskclip.export import run as run_module
from mmseg_maskclip.export.describe import describe
from mmseg_maskclip.portable.bank import WordBank
from mmseg_maskclip.portable.exported import ExportedModel
from mmseg_maskclip.portable.inputs import resize_picture
from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.tools import assert_bad_input, call_tool

WORDS = ['sky; clouds', 'ladybird', 'bricks', 'strawberry', 'giraffe']


@pytest.fixture(scope='module')
def model():
    return mmseg_maskclip.load('TinyViT', device='cpu')


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    """An exported model and its bank."""
    out = tmp_path_factory.mktemp('export') / 'tiny.onnx'
    return mmseg_maskclip.export_model('TinyViT', out, words=WORDS)


def test_a_size_and_a_bank_that_were_not_checked_give_the_model_s_scores(written, model):
    """By the graph alone, without the runner of this package."""
    session = onnxruntime.InferenceSession(str(written.path))
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 120, 232, generator=generator) * 255
    assert (120, 232) not in written.check.sizes and 9 not in written.check.rows
    bank = torch.nn.functional.normalize(torch.randn(9, 128, generator=generator), dim=1)
    scores, embedding = session.run(None, {'image': image.numpy(), 'bank': bank.numpy()})
    mean, std = (torch.tensor(json.loads(value)).view(1, 3, 1, 1) for value in (
        session.get_modelmeta().custom_metadata_map[name] for name in ('mean', 'std')))
    tower = model._built.model.backbone
    with torch.no_grad():
        dense = tower.dense((image - mean) / std, image=True)
    features = torch.nn.functional.normalize(dense.features, dim=1)
    expected = torch.einsum('bdhw,kd->bkhw', features, bank).numpy()
    assert scores.shape == (1, 9, 15, 29)
    np.testing.assert_allclose(scores, expected, atol=2e-5)
    np.testing.assert_allclose(embedding, dense.image.numpy(), atol=1e-4)


def test_the_file_says_what_it_takes_and_nothing_of_this_machine(written):
    proto = onnx.load(written.path)
    metadata = {entry.key: json.loads(entry.value) for entry in proto.metadata_props}
    assert metadata['clip'] == 'TinyViT' and metadata['patch'] == 8 and metadata['pad'] == 'corner'
    assert metadata['img_scale'] == [1024, 256] and metadata['fidelity'] == 'clip'
    assert metadata['method'] == 'maskclip' and metadata['versions']['torch']
    assert metadata['sha256'] == metadata['text_sha256'] == written.description.sha256
    content = written.path.read_bytes()
    assert b'site-packages' not in content and b'.py' not in content


@pytest.mark.parametrize('size', [None, (211, 300)])
def test_the_runner_gives_the_labels_of_torch(written, model, size):
    picture = scene(0, 0).image
    picture = picture if size is None else resize_picture(picture, size)
    ours = mmseg_maskclip.load_exported(written.path, written.bank).predict(picture, threshold=0.2)
    theirs = model.predict(picture, WORDS, threshold=0.2)
    assert (ours.labels == theirs.labels).mean() > 0.999 and len(np.unique(theirs.labels)) > 2
    assert ours.names == theirs.names and ours.palette == theirs.palette
    np.testing.assert_allclose(ours.confidence, theirs.confidence, atol=1e-4)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-4)
    assert ours.presence == pytest.approx(theirs.presence, abs=1e-4)
    for name, mask in theirs.masks().items():
        assert (ours.masks()[name] == mask).mean() > 0.999
    assert ours.settings['sha256'] == theirs.settings['sha256']
    assert ours.settings['contrast'] == theirs.settings['contrast']


def test_pictures_are_resized_as_opencv_does():
    import cv2

    picture = np.random.RandomState(0).randint(0, 256, (75, 100, 3), np.uint8)
    for size in ((51, 70), (128, 171), (20, 300)):
        expected = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_LINEAR)
        assert np.abs(resize_picture(picture, size).astype(int) - expected).max() <= 1


def test_other_words_need_no_other_export(written, model, tmp_path, capfd):
    done = call_tool(capfd, 'tools/bank.py', '--model', 'TinyViT', '--classes', 'zebra',
                     'grass; lawn', '--contrast', 'sky', 'sand', '--background', 'water',
                     '--out', tmp_path / 'other.npz')
    assert done.returncode == 0, done.stderr
    bank = WordBank.read(tmp_path / 'other.npz')
    assert bank.names == ('zebra', 'grass') and bank.contrast == ('sky', 'sand', 'water')
    picture = scene(0, 1).image
    found = mmseg_maskclip.load_exported(written.path, bank).predict(picture)
    expected = model.predict(picture, ['zebra', 'grass; lawn'], contrast=['sky', 'sand', 'water'])
    assert (found.labels == expected.labels).mean() > 0.999


def test_the_command_labels_files_with_the_exported_model(written, model, tmp_path, capfd):
    for index in range(2):
        Image.fromarray(scene(0, index).image).save(tmp_path / f'{index}.png')
    flags = [tmp_path / '0.png', tmp_path / '1.png', '--model', written.path]
    done = call_tool(capfd, 'tools/predict.py', *flags, '--bank', written.bank, '--out',
                     tmp_path / 'out', '--formats', 'png', 'coco', '--overlay')
    assert done.returncode == 0, done.stderr
    for index in range(2):
        labels = np.asarray(Image.open(tmp_path / f'out/annotations/{index}.png'))
        expected = model.predict(tmp_path / f'{index}.png', WORDS).labels
        assert (labels == expected).mean() > 0.999
    assert (tmp_path / 'out/classes.txt').read_text().split() == [
        'sky', 'ladybird', 'bricks', 'strawberry', 'giraffe']
    record = json.loads((tmp_path / 'out/records/0.json').read_text())
    assert record['presence'].keys() == set(model.predict(tmp_path / '0.png', WORDS).areas)
    again = call_tool(capfd, 'tools/predict.py', *flags, '--bank', written.bank, '--out',
                      tmp_path / 'out', '--formats', 'png', 'coco', '--overlay')
    assert '2 done before' in again.stdout
    assert_bad_input(call_tool(capfd, 'tools/predict.py', *flags), 'give --bank FILE')
    assert_bad_input(call_tool(capfd, 'tools/predict.py', *flags, '--bank', written.bank,
                               '--classes', 'sky'), '--classes is for models that run in torch')


@cases('flags, said', [
    (['TinyViT', '--method', 'resclip'], "method 'resclip' cannot be exported, expected one of "
     'maskclip, clip, sclip, clearclip, naclip, gem'),
    (['TinyViT', '--method', 'naclip_pamr'], "method 'naclip_pamr' cannot be exported"),
    (['TinyViT', '--method', 'nacl'], 'did you mean'),
    (['TinyViT', '--ks-thresh', '1'], 'key smoothing cannot be exported'),
    (['TinyViT', '--cfg-options', 'model.views.weight=0.5'], 'the views of ITACLIP'),
    (['heads/itaclip_vit16_voc21.py'], 'the views of ITACLIP cannot be exported'),
    (['heads/resclip_vit16_voc21.py'], 'the feedback of ResCLIP cannot be exported'),
    (['TinyViT', '--to', 'torch-export'], 'a name that ends in .pt2'),
    (['TinyViT', '--to', 'torch-export', '--int8', '--out', 'x.pt2'], '8 bits are a part of'),
])
def test_what_cannot_be_exported_is_named_before_anything_is_loaded(flags, said, capfd,
                                                                    monkeypatch, tmp_path):
    monkeypatch.setattr('mmseg_maskclip.apis.loading.load', lambda *_, **__: pytest.fail('loaded'))
    flags = flags if '--out' in flags else [*flags, '--out', tmp_path / 'x.onnx']
    assert_bad_input(call_tool(capfd, 'tools/export.py', *flags), said)
    assert not list(tmp_path.iterdir())


def test_a_failed_check_leaves_no_file_and_the_one_before(written, model, tmp_path, monkeypatch):
    out = tmp_path / 'x.onnx'
    out.write_bytes(b'before')

    def write(program, description, path, to, tables):
        # One weight of the graph is another than the model's.
        proto = onnx.load(written.path)
        largest = max(proto.graph.initializer, key=lambda one: len(one.raw_data))
        values = onnx.numpy_helper.to_array(largest) * 1.05
        largest.CopyFrom(onnx.numpy_helper.from_array(values, largest.name))
        onnx.save(proto, path)

    monkeypatch.setattr(run_module, '_write', write)
    monkeypatch.setattr(run_module, 'trace', lambda *_: None)
    with pytest.raises(InputError, match='differs from the model.*no file was written'):
        run_module.export(model._vocabularies, out)
    assert out.read_bytes() == b'before' and [one.name for one in tmp_path.iterdir()] == ['x.onnx']


@pytest.mark.parametrize('name, rows, over', [('TinyViT', 3, 0), ('TinyRN', 14, 7)])
def test_the_check_varies_the_size_and_the_rows(name, rows, over):
    """A bank has another number of rows than the random one; where any size goes, sizes are odd."""
    vocabularies = mmseg_maskclip.load(name, device='cpu')._vocabularies
    model, about = vocabularies.built.model, describe(vocabularies)
    bank = np.eye(rows, about.width, dtype=np.float32)

    def run(image, embeddings):
        return checking._run_model(model, about, image, embeddings)

    found = checking.compare(run, model, about, bank)
    assert found.rows[1] == rows != found.rows[0] and found.equal == 1 and found.difference == 0
    assert len(set(found.sizes)) == 3
    assert all(height % 32 == over for height, _ in found.sizes) or not over
    swapped = checking.compare(lambda image, other: run(image, other[::-1].copy()), model, about,
                               bank)
    with pytest.raises(InputError, match='differs from the model'):
        checking.require_equal(swapped)


def test_a_bank_is_what_was_saved(model, tmp_path):
    bank = mmseg_maskclip.make_bank(model, WORDS)
    read = WordBank.read(bank.save(tmp_path / 'a.npz'))
    assert read.names == bank.names and read.contrast == bank.contrast
    assert read.palette == bank.palette and read.clip == 'TinyViT'
    assert read.sha256 == model.settings['sha256']
    np.testing.assert_array_equal(read.embeddings, bank.embeddings)
    np.testing.assert_allclose(np.linalg.norm(read.embeddings, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(read.row_class, np.arange(len(bank.names) + len(bank.contrast)))


@cases('change, said', [
    (lambda path: path.write_text('text'), 'is not a bank of words'),
    (lambda path: path.write_bytes(path.read_bytes()[:500]), 'is not a bank of words'),
    (lambda path: path.unlink(), 'does not exist'),
    (lambda path: mmseg_maskclip.make_bank(mmseg_maskclip.load('TinyRN', device='cpu'),
                                           ['sky']).save(path), 'of CLIP model TinyRN'),
])
def test_a_bank_that_does_not_fit_is_named(change, said, written, tmp_path):
    path = tmp_path / 'a.npz'
    path.write_bytes(written.bank.read_bytes())
    change(path)
    with pytest.raises(InputError, match=said):
        mmseg_maskclip.load_exported(written.path, path)


def test_a_file_that_is_no_export_is_named(written, tmp_path):
    (tmp_path / 'a.onnx').write_bytes(b'nothing')
    with pytest.raises(InputError, match='cannot be read as an ONNX model'):
        ExportedModel(tmp_path / 'a.onnx')
    proto = onnx.load(written.path)
    del proto.metadata_props[:]
    onnx.save(proto, tmp_path / 'b.onnx')
    with pytest.raises(InputError, match='says nothing of the pictures it takes'):
        ExportedModel(tmp_path / 'b.onnx')
