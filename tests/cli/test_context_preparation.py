"""pascal_context_preparation.sh against a file server on loopback."""

import functools
import http.server
import io
import json
import tarfile
import threading

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from helpers.tools import assert_bad_input, run_tool

SCRIPT = 'pascal_context_preparation.sh'
VOC = 'VOCtrainval_03-May-2010.tar'
CONTEXT = 'trainval.tar.gz'


class ResumableHandler(http.server.SimpleHTTPRequestHandler):
    """A file server that, like real ones, can go on in the middle of a file."""

    requests = []

    def do_GET(self):
        start = self.headers.get('Range', 'bytes=0-')[len('bytes='):].rstrip('-')
        self.requests.append((self.path, int(start)))
        try:
            with open(self.translate_path(self.path), 'rb') as file:
                content = file.read()
        except OSError:
            self.send_error(404)
            return
        if int(start) and int(start) >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if int(start) else 200)
        self.send_header('Content-Length', str(len(content) - int(start)))
        if int(start):
            self.send_header('Content-Range', f'bytes {start}-{len(content) - 1}/{len(content)}')
        self.end_headers()
        self.wfile.write(content[int(start):])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """Serves the folder ``tmp_path / 'mirror'``; gives its URL."""
    (tmp_path / 'mirror').mkdir()
    ResumableHandler.requests = []
    handler = functools.partial(ResumableHandler, directory=str(tmp_path / 'mirror'))
    service = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{service.server_port}'
    service.shutdown()
    service.server_close()


def pack(path, files, mode):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def mat(labels):
    buffer = io.BytesIO()
    savemat(buffer, {'LabelMap': np.array(labels, dtype=np.uint16)}, do_compression=True)
    return buffer.getvalue()


@pytest.fixture
def mirror(tmp_path, server):
    folder = tmp_path / 'mirror'
    random = np.random.RandomState(0).bytes(50_000)
    pack(folder / VOC, {'VOCdevkit/VOC2010/JPEGImages/a.jpg': random,
                        'VOCdevkit/VOC2010/ImageSets/Main/train.txt': b'a\n',
                        'VOCdevkit/VOC2010/ImageSets/Main/val.txt': b'b\nc\n'}, 'w')
    pack(folder / CONTEXT, {'trainval/a.mat': mat([[2, 9]]), 'trainval/b.mat': mat([[1, 458]]),
                            'trainval/c.mat': mat([[0, 0]])}, 'w:gz')
    (folder / 'trainval_merged.json').write_text(json.dumps({'images': [
        {'file_name': 'a.jpg', 'phase': 'train'}, {'file_name': 'c.jpg', 'phase': 'val'}]}))
    return folder


@pytest.fixture
def prepare(tmp_path, server):
    addresses = {f'{name}_BASE_URL': server for name in ('VOC', 'CONTEXT', 'JSON')}

    def run(*args, **more):
        return run_tool(SCRIPT, '--data', tmp_path / 'data', '--nproc', 1, *args,
                        env={**addresses, **more})
    return run


def test_downloads_extracts_converts_and_then_has_nothing_to_do(tmp_path, mirror, prepare):
    done = prepare()
    assert done.returncode == 0, done.stderr
    voc = tmp_path / 'data/VOCdevkit/VOC2010'
    assert np.array(Image.open(voc / 'SegmentationClassContext/a.png')).tolist() == [[1, 2]]
    assert np.array(Image.open(voc / 'SegmentationClassContext/b.png')).tolist() == [[0, 59]]
    lists = voc / 'ImageSets/SegmentationContext'
    assert (lists / 'train.txt').read_text() == 'a\n'
    assert (lists / 'val.txt').read_text() == 'b\nc\n'
    assert not list((tmp_path / 'data/downloads').glob('*.part'))
    ResumableHandler.requests.clear()
    done = prepare('--json')
    assert done.returncode == 0, done.stderr
    assert [path for path, _ in ResumableHandler.requests] == ['/trainval_merged.json']
    assert '0 label files written, 3 were there already' in done.stdout
    assert (lists / 'val.txt').read_text() == 'c\n', 'the split of the merged JSON'


def test_resumes_a_download_that_was_cut_short(tmp_path, mirror, prepare):
    downloads = tmp_path / 'data/downloads'
    downloads.mkdir(parents=True)
    (downloads / f'{VOC}.part').write_bytes((mirror / VOC).read_bytes()[:30_000])
    (downloads / f'{CONTEXT}.part').write_bytes((mirror / CONTEXT).read_bytes())
    done = prepare()
    assert done.returncode == 0, done.stderr
    assert (f'/{VOC}', 30_000) in ResumableHandler.requests
    assert (downloads / VOC).read_bytes() == (mirror / VOC).read_bytes()


def test_damaged_missing_and_unreachable_archives(tmp_path, mirror, prepare):
    downloads = tmp_path / 'data/downloads'
    (mirror / CONTEXT).write_bytes((mirror / CONTEXT).read_bytes()[:-100])
    assert_bad_input(prepare(), CONTEXT, 'arrived damaged')
    assert not (downloads / CONTEXT).exists() and not (downloads / f'{CONTEXT}.part').exists()
    assert not (tmp_path / 'data/VOCdevkit').exists()
    (mirror / CONTEXT).unlink()
    assert_bad_input(prepare(), CONTEXT, 'could not be downloaded', 'mirror')
    assert_bad_input(prepare(CONTEXT_BASE_URL='http://127.0.0.1:9'), '127.0.0.1:9',
                     'could not be downloaded')


def test_help_and_wrong_arguments(prepare):
    done = run_tool(SCRIPT, '--help')
    assert done.returncode == 0 and 'CONTEXT_BASE_URL' in done.stdout
    assert_bad_input(prepare('--fast'), 'unknown argument --fast')
    assert_bad_input(run_tool(SCRIPT, '--data'), '--data needs a folder')
    assert_bad_input(prepare(PYTHON='no-such-python'), 'no-such-python was not found')
