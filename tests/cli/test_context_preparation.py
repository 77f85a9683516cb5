"""pascal_context_preparation.sh against a file server on loopback."""

import io
import json
import sys
import tarfile

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from helpers.file_server import serve
from helpers.tools import assert_bad_input, run_tool

SCRIPT = 'pascal_context_preparation.sh'
VOC = 'VOCtrainval_03-May-2010.tar'
CONTEXT = 'trainval.tar.gz'


@pytest.fixture
def server():
    with serve() as running:
        yield running


def pack(files, mode):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def mat(labels):
    buffer = io.BytesIO()
    savemat(buffer, {'LabelMap': np.array(labels, dtype=np.uint16)}, do_compression=True)
    return buffer.getvalue()


@pytest.fixture
def mirror(server):
    """The files on the server, by path."""
    random = np.random.RandomState(0).bytes(50_000)
    server.files = {
        f'/{VOC}': pack({'VOCdevkit/VOC2010/JPEGImages/a.jpg': random,
                         'VOCdevkit/VOC2010/ImageSets/Main/train.txt': b'a\n',
                         'VOCdevkit/VOC2010/ImageSets/Main/val.txt': b'b\nc\n'}, 'w'),
        f'/{CONTEXT}': pack({'trainval/a.mat': mat([[2, 9]]), 'trainval/b.mat': mat([[1, 458]]),
                             'trainval/c.mat': mat([[0, 0]])}, 'w:gz'),
        '/trainval_merged.json': json.dumps({'images': [
            {'file_name': 'a.jpg', 'phase': 'train'},
            {'file_name': 'c.jpg', 'phase': 'val'}]}).encode()}
    return server.files


@pytest.fixture
def prepare(tmp_path, server):
    addresses = {f'{name}_BASE_URL': server.url for name in ('VOC', 'CONTEXT', 'JSON')}

    def run(*args, **more):
        return run_tool(SCRIPT, '--data', tmp_path / 'data', '--nproc', 1, *args,
                        env={**addresses, **more})
    return run


@pytest.fixture
def passed_on(tmp_path):
    """A python that runs no converter, but leaves its command line in the file ``passed_on``."""
    python = tmp_path / 'python'
    python.write_text(f'#!/bin/sh\n[ "$1" = -m ] && exec {sys.executable} "$@"\n'
                      f'printf "%s\\n" "$@" > {tmp_path}/passed_on\n')
    python.chmod(0o755)
    return python


def assert_refused(done, *words):
    """As assert_bad_input, but curl may have said something before."""
    done.stderr = '\n'.join(line for line in done.stderr.splitlines()
                            if not line.startswith('curl: '))
    assert_bad_input(done, *words)


def test_downloads_extracts_converts_and_then_has_nothing_to_do(tmp_path, mirror, server, prepare,
                                                                passed_on, call_tool):
    done = prepare()
    assert done.returncode == 0, done.stderr
    voc = tmp_path / 'data/VOCdevkit/VOC2010'
    assert np.array(Image.open(voc / 'SegmentationClassContext/a.png')).tolist() == [[1, 2]]
    assert np.array(Image.open(voc / 'SegmentationClassContext/b.png')).tolist() == [[0, 59]]
    lists = voc / 'ImageSets/SegmentationContext'
    assert (lists / 'train.txt').read_text() == 'a\n'
    assert (lists / 'val.txt').read_text() == 'b\nc\n'
    assert not list((tmp_path / 'data/downloads').glob('*.part'))
    server.requests.clear()
    done = prepare('--json', PYTHON=str(passed_on))
    assert done.returncode == 0, done.stderr
    assert [path for path, _ in server.requests] == ['/trainval_merged.json']
    done = call_tool(*(tmp_path / 'passed_on').read_text().splitlines())
    assert done.returncode == 0, done.stderr
    assert '0 label files written, 3 were there already' in done.stdout
    assert (lists / 'val.txt').read_text() == 'c\n', 'the split of the merged JSON'


def test_resumes_a_download_that_was_cut_short(tmp_path, mirror, server, prepare, passed_on):
    downloads = tmp_path / 'data/downloads'
    downloads.mkdir(parents=True)
    (downloads / f'{VOC}.part').write_bytes(mirror[f'/{VOC}'][:30_000])
    (downloads / f'{CONTEXT}.part').write_bytes(mirror[f'/{CONTEXT}'])
    done = prepare(PYTHON=str(passed_on))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'passed_on').exists()
    assert (f'/{VOC}', 'bytes=30000-') in server.requests
    assert (downloads / VOC).read_bytes() == mirror[f'/{VOC}']


def test_starts_over_where_the_server_can_not_resume(tmp_path, mirror, server, prepare):
    server.ranges = False
    downloads = tmp_path / 'data/downloads'
    downloads.mkdir(parents=True)
    (downloads / f'{VOC}.part').write_bytes(b'x' * 10_000)
    del mirror[f'/{CONTEXT}']
    assert_refused(prepare(), CONTEXT)
    assert (downloads / VOC).read_bytes() == mirror[f'/{VOC}']


def test_damaged_missing_and_unreachable_archives(tmp_path, mirror, prepare):
    downloads = tmp_path / 'data/downloads'
    mirror[f'/{CONTEXT}'] = mirror[f'/{CONTEXT}'][:-100]
    assert_refused(prepare(), CONTEXT, 'arrived damaged')
    assert not (downloads / CONTEXT).exists() and not (downloads / f'{CONTEXT}.part').exists()
    assert not (tmp_path / 'data/VOCdevkit').exists()
    del mirror[f'/{CONTEXT}']
    assert_refused(prepare(), CONTEXT, 'could not be downloaded', 'mirror')
    assert_refused(prepare(CONTEXT_BASE_URL='http://127.0.0.1:9'), '127.0.0.1:9',
                   'could not be downloaded')


def test_help_and_wrong_arguments(prepare):
    done = run_tool(SCRIPT, '--help')
    assert done.returncode == 0 and 'CONTEXT_BASE_URL' in done.stdout
    assert_bad_input(prepare('--fast'), 'unknown argument --fast')
    assert_bad_input(run_tool(SCRIPT, '--data'), '--data needs a folder')
    assert_bad_input(prepare(PYTHON='no-such-python'), 'no-such-python was not found')
