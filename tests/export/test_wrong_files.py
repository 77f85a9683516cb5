"""Banks, files and flags that don't go with an exported model: one sentence each."""

import json

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import mmseg_maskclip
from mmseg_maskclip.portable.bank import WordBank
from mmseg_maskclip.portable.description import Description
from mmseg_maskclip.portable.exported import ExportedModel
from mmseg_maskclip.portable.inputs import network_size, padding, to_input
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.tools import assert_bad_input, call_tool

SHA = {'a': 'a' * 64, 'b': 'b' * 64}


def description(**changes):
    return Description(**{**dict(model='m', clip='TinyViT', sha256=SHA['a'], method='maskclip',
                                 fidelity='clip', width=2, text_sha256=SHA['a']), **changes})


def bank(**changes):
    return WordBank(**{**dict(
        names=('sky', 'sand'), palette=((0, 0, 0), (255, 9, 9)),
        embeddings=np.array([[0.6, 0.8], [1, 0]], np.float32), row_class=np.array([0, 1]),
        clip='TinyViT', sha256=SHA['a']), **changes})


def write_onnx(path, metadata, inputs=('image', 'bank'), outputs=('scores',)):
    """A model that gives its inputs."""
    value = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node('Identity', [inputs[0]], [name]) for name in outputs], 'graph',
        [onnx.helper.make_tensor_value_info(name, value, [1, 3, None, None]) for name in inputs],
        [onnx.helper.make_tensor_value_info(name, value, None) for name in outputs])
    proto = onnx.helper.make_model(graph, ir_version=8,
                                   opset_imports=[onnx.helper.make_opsetid('', 17)])
    for key, text in metadata.items():
        proto.metadata_props.add(key=key, value=text)
    onnx.save(proto, str(path))
    return path


@cases('changes', [
    {'names': 'ab'}, {'names': None}, {'names': ('sky', 3)}, {'names': (), 'palette': ()},
    {'palette': ((0, 0, 0), (1, 2))}, {'palette': ((0, 0, 0), (1, 2, 300))},
    {'palette': ((0, 0, 0), 'red')}, {'clip': 3}, {'contrast': 'tree'},
    {'row_class': np.array(['a', 'b'])}, {'row_class': np.array([0, 5])},
    {'embeddings': np.array([[1, 0], [0, 1]])}, {'embeddings': np.full((2, 2), np.nan)},
    {'offset': np.array([0.5])}, {'offset': np.array(['a', 'b'])},
])
def test_a_damaged_bank_is_named(changes, tmp_path, monkeypatch):
    arrays = dict(embeddings=bank().embeddings, row_class=bank().row_class, offset=np.zeros(0))
    about = dict(layout=1, names=['sky', 'sand'], palette=[[0, 0, 0], [1, 2, 3]], contrast=[],
                 left_out=[], clip='TinyViT', sha256='', templates=None)
    arrays.update({key: value for key, value in changes.items() if key in arrays})
    about.update({key: value for key, value in changes.items() if key in about})
    np.savez(tmp_path / 'a.npz', about=np.array(json.dumps(about)), **arrays)
    with pytest.raises(InputError, match='a.npz is damaged'):
        WordBank.read(tmp_path / 'a.npz')


@pytest.mark.parametrize('kind', [np.float16, np.float64])
def test_a_bank_of_another_precision_is_taken(kind, tmp_path):
    path = bank().save(tmp_path / 'a.npz')
    with np.load(path) as file:
        content = dict(file)
    np.savez(path, **{**content, 'embeddings': content['embeddings'].astype(kind),
                      'row_class': content['row_class'].astype(np.int8)})
    found = WordBank.read(path)
    assert found.embeddings.dtype == np.float32 and found.row_class.dtype == np.int64
    found.require_fit(description(), 'a.npz')


def test_a_damaged_zip_is_named(tmp_path):
    path = tmp_path / 'a.npz'
    np.savez_compressed(path, embeddings=np.random.rand(90, 90), about=np.array('{}'))
    content = bytearray(path.read_bytes())
    for place in range(200, 4000, 97):
        content[place] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match='is not a bank of words, or damaged'):
        WordBank.read(path)


@cases('of_bank, of_model, said', [
    ({'sha256': SHA['b']}, {}, r'another file of TinyViT .* \(SHA-256 bbbbbbbbbbbb, expected aaaa'),
    ({'sha256': SHA['b']}, {'text_sha256': SHA['b']}, None),
    ({'sha256': SHA['b']}, {'text_sha256': ''}, None),
    ({'sha256': SHA['a']}, {'text_sha256': SHA['b']}, None),
    ({'embeddings': np.array([[3, 4], [1, 0]], np.float32)}, {}, 'of norm 1 to 5, m expects 1'),
    ({'embeddings': np.array([[3, 4], [1, 0]], np.float32)}, {'kind': 'logits'}, None),
    ({}, {'background': 1}, 'expects those of 1, the first word being its background'),
    ({'clip': 'TinyRN'}, {}, 'of CLIP model TinyRN'),
    ({'offset': np.zeros(2, np.float32)}, {}, 'is of a ZegCLIP'),
])
def test_a_bank_of_another_model_is_refused(of_bank, of_model, said):
    if said is None:
        bank(**of_bank).require_fit(description(**of_model), 'a.npz')
        return
    with pytest.raises(InputError, match=said):
        bank(**of_bank).require_fit(description(**of_model), 'a.npz')


@cases('name, value', [
    ('kind', 'banana'), ('img_scale', 'x'), ('img_scale', [0, 0]), ('img_scale', [512]),
    ('mean', None), ('mean', [1, 2]), ('std', [1, 0, 1]), ('scale', True), ('patch', 0),
    ('window', [3]), ('pad', 'up'), ('background', 2), ('embeds', 1), ('clip', None),
    ('versions', []), ('temperature', float('nan')), ('width', None),
])
def test_a_damaged_description_is_named(name, value, tmp_path):
    metadata = description().to_metadata()
    path = write_onnx(tmp_path / 'a.onnx', metadata)
    assert ExportedModel(path).description == description()
    for text in (json.dumps(value), '{', None):
        changed = {**metadata, name: text}
        path = write_onnx(path, {key: one for key, one in changed.items() if one is not None})
        with pytest.raises(InputError, match=f'damaged description, {name} cannot be used'):
            ExportedModel(path)


@cases('inputs, outputs, embeds', [
    (('a', 'bank'), ('scores',), False), (('image',), ('scores',), False),
    (('image', 'bank'), ('scores',), True), (('image', 'bank'), ('scores', 'embedding'), False),
])
def test_another_graph_with_a_description_is_named(inputs, outputs, embeds, tmp_path):
    metadata = description(embeds=embeds).to_metadata()
    path = write_onnx(tmp_path / 'a.onnx', metadata, inputs, outputs)
    with pytest.raises(InputError, match='expected image and bank, and scores'):
        ExportedModel(path)


def test_a_picture_that_becomes_too_small_is_named():
    students = description(pad='none', least=64, img_scale=(512, 128))
    assert network_size(students, (100, 200), 'a.png') == (128, 256)
    assert padding(students, 77) == (0, 0)
    assert to_input(students, np.zeros((65, 77, 3), np.uint8)).shape == (1, 3, 65, 77)
    with pytest.raises(InputError, match='a.png is 512 x 51 pixels at the size .* least 64 x 64'):
        network_size(students, (100, 1000), 'a.png')
    with pytest.raises(InputError, match='a.png is 20 x 0 pixels at the size'):
        network_size(description(img_scale=(20, 5)), (10, 1000), 'a.png')
    with pytest.raises(InputError, match='a.png has 101 x 1 pixels'):
        network_size(students, (1, 101), 'a.png')


@cases('flags, said', [
    (['--precision', 'fp16'], '--precision is for models that run in torch'),
    (['--batch-size', '2'], '--batch-size is for'), (['--gpu-id', '7'], '--gpu-id is for'),
    (['--size', '0'], '--size is for'), (['--options', 'model.x=1'], '--options is for'),
    (['--checkpoint', 'a.pth'], r'--weights (--checkpoint) is for'),
    (['--background', 'tree'], '--background is for'), (['--contrast', 'none'], '--contrast is'),
    (['--launcher', 'pytorch'], '--launcher is for'),
])
def test_flags_of_torch_are_refused(flags, said, tmp_path, capfd):
    path = write_onnx(tmp_path / 'A.ONNX', description().to_metadata())
    done = call_tool(capfd, 'tools/predict.py', 'x.png', '--model', path, '--bank',
                     bank().save(tmp_path / 'a.npz'), *flags)
    assert_bad_input(done, said, 'its words are in --bank')


def test_a_run_goes_on_behind_a_picture_that_is_too_small(tmp_path, monkeypatch):
    """As convolutions of a student refuse it: with an error that names no picture."""
    model = mmseg_maskclip.load('TinyViT', device='cpu', size=32)
    encode = model._built.model.encode

    def strict(batch):
        torch.nn.functional.conv2d(batch, torch.zeros(1, 3, 9, 9))
        return encode(batch)

    monkeypatch.setattr(model._built.model, 'encode', strict)
    for name, size in (('a', (64, 64)), ('b', (1000, 20)), ('c', (90, 64))):
        Image.new('RGB', size).save(tmp_path / f'{name}.png')
    skipped = []
    found = list(model.predict_many(tmp_path, ['sky'], progress=False, skipped=skipped))
    assert [one.labels.shape for one in found] == [(64, 64), (64, 90)]
    [(path, reason)] = skipped
    assert path == str(tmp_path / 'b.png')
    assert 'at 128 x 3 pixels, the size that the model sees' in reason and 'larger --size' in reason
    # Of a larger input it is a defect.
    large = mmseg_maskclip.load('TinyViT', device='cpu', size=64)
    monkeypatch.setattr(large._built.model, 'encode', lambda batch: strict(batch[:, :, :1]))
    with pytest.raises(RuntimeError):
        large.predict(tmp_path / 'a.png', ['sky'])


@cases('command, flags, said', [
    ('predict', ['x.png', '--model', 'a.pt2', '--bank', 'a.npz'], 'for torch.export.load'),
    ('predict', ['x.png', '--model', 'a.PT2', '--classes', 'sky'], '--to onnx'),
    ('bank', ['--model', 'a.onnx', '--classes', 'sky', '--out', 'b.npz'], 'is an exported model'),
    ('export', ['a.onnx', '--out', 'b.onnx'], 'is an exported model'),
    ('export', ['TinyViT', '--out', 'b.pt2'], '.pt2 of --to torch-export'),
    ('export', ['TinyViT', '--out', 'folder.onnx'], 'exported model folder.onnx is a folder'),
    ('export', ['TinyViT', '--out', 'bank.onnx'], 'bank bank.npz is a folder'),
    ('export', ['TinyViT', '--out', 'n' * 260 + '.onnx'], 'File name too long'),
    ('bank', ['--model', 'TinyViT', '--classes', 'sky', '--out', 'bank.npz'], 'is a folder'),
    ('export', ['TinyViT', '--contrast', 'tree', '--out', 'b.onnx'], 'no classes of its own'),
    ('export', ['TinyViT', '--out', 'b.onnx', '--cfg-options', 'model.refine=x'], 'refine is '),
    ('export', ['TinyViT', '--out', 'b.onnx', '--cfg-options', 'data.test=None'],
     'data.test is None, expected a dict'),
    ('export', ['TinyViT', '--out', 'b.onnx', '--cfg-options', 'model.test_cfg=None'],
     "test_cfg.mode is None, expected 'whole'"),
    ('export', ['TinyViT', '--out', 'b.onnx', '--cfg-options', 'model.refine.type=Pamr'],
     'cannot be exported'),
    ('export', ['TinyViT', '--out', 'b.onnx', '--cfg-options', 'model.backbone.readout=x'],
     'ClipViT: cfg must be a dict'),
    ('export', ['TinyViT', '--out', 'b.onnx', '--cfg-options', 'model.decode_head=None'], 'model'),
    ('export', ['TinyViT', '--out', 'b.onnx', '--cfg-options', 'data.test.pipeline=None'],
     'data.test.pipeline is None, expected a list'),
])
def test_what_cannot_be_is_told_at_the_start(command, flags, said, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    for name in ('folder.onnx', 'bank.npz'):
        (tmp_path / name).mkdir()
    monkeypatch.setattr('mmseg_maskclip.export.run.trace', lambda *_: pytest.fail('exported'))
    assert_bad_input(call_tool(capfd, f'tools/{command}.py', *flags), said)
    assert {one.name for one in tmp_path.iterdir()} == {'folder.onnx', 'bank.npz'}
