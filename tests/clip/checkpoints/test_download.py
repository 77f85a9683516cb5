"""Downloads from a server on loopback."""

import hashlib
import socket
from dataclasses import replace

import pytest

from mmseg_maskclip.clip import download_clip, download_file, get_spec
from mmseg_maskclip.utils import InputError

from helpers.file_server import serve

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server():
    """A server with the file at ``/{digest}/model.pt``."""
    with serve() as running:
        running.files[f'/{DIGEST}/model.pt'] = CONTENT
        yield running


@pytest.fixture
def spec(server, monkeypatch):
    """A model whose file is on the server, named as a mirror."""
    monkeypatch.setenv('MASKCLIP_BASE_URL', f'{server.url}/')
    return replace(get_spec('RN50'), filename='model.pt', sha256=DIGEST)


def test_the_file_comes_whole_and_once(server, spec, tmp_path):
    path = download_clip(spec, tmp_path / 'pretrain', progress=False)
    assert path == tmp_path / 'pretrain' / 'model.pt'
    assert path.read_bytes() == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ['model.pt']
    assert download_clip(spec, tmp_path / 'pretrain', progress=False) == path
    assert server.requests == [(f'/{DIGEST}/model.pt', None)]


def test_without_a_mirror_the_official_address_is_used(monkeypatch):
    from mmseg_maskclip.clip.checkpoints.download import published_file
    monkeypatch.delenv('MASKCLIP_BASE_URL', raising=False)
    spec = get_spec('ViT-B/16')
    assert published_file(spec) == (spec.url, 'ViT-B-16.pt')
    monkeypatch.setenv('MASKCLIP_BASE_URL', 'http://mirror/models')
    assert published_file(spec)[0] == f'http://mirror/models/{spec.sha256}/ViT-B-16.pt'


def test_an_interrupted_download_is_taken_up_again(server, spec, tmp_path):
    (tmp_path / 'model.pt.part').write_bytes(CONTENT[:300_000])
    assert download_clip(spec, tmp_path, progress=False).read_bytes() == CONTENT
    assert server.requests[0][1] == 'bytes=300000-'


def test_a_complete_part_is_only_checked(server, spec, tmp_path):
    (tmp_path / 'model.pt.part').write_bytes(CONTENT)
    assert download_clip(spec, tmp_path, progress=False).read_bytes() == CONTENT
    assert not (tmp_path / 'model.pt.part').exists()


def test_a_server_that_can_not_resume_sends_all(server, spec, tmp_path):
    server.ranges = False
    (tmp_path / 'model.pt.part').write_bytes(b'x' * 1000)
    assert download_clip(spec, tmp_path, progress=False).read_bytes() == CONTENT


def test_connections_that_drop_are_resumed(server, spec, tmp_path):
    server.break_after = len(CONTENT) // 3 + 1
    assert download_clip(spec, tmp_path, progress=False).read_bytes() == CONTENT
    assert len(server.requests) == 3


def test_a_download_that_stays_incomplete_is_kept_and_told(server, spec, tmp_path):
    server.break_after = 100_000
    with pytest.raises(InputError, match=r'300000 of 1024000 bytes.*download_weights\.sh RN50'):
        download_clip(spec, tmp_path, progress=False)
    assert not (tmp_path / 'model.pt').exists()
    server.break_after = None
    assert download_clip(spec, tmp_path, progress=False).read_bytes() == CONTENT
    assert server.requests[-1][1] == 'bytes=300000-'


def test_a_server_that_sends_nothing_ends(server, spec, tmp_path):
    server.break_after = 0
    with pytest.raises(InputError, match='0 of 1024000 bytes'):
        download_clip(spec, tmp_path, progress=False)


def test_a_damaged_file_is_removed(server, spec, tmp_path):
    server.files[f'/{DIGEST}/model.pt'] = CONTENT[:-1] + b'!'
    with pytest.raises(InputError, match=r'damaged.*removed.*download_weights\.sh RN50'):
        download_clip(spec, tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_part_of_another_file_is_removed(server, spec, tmp_path):
    (tmp_path / 'model.pt.part').write_bytes(b'x' * (len(CONTENT) + 5))
    with pytest.raises(InputError, match='damaged'):
        download_clip(spec, tmp_path, progress=False)
    assert download_clip(spec, tmp_path, progress=False).read_bytes() == CONTENT


def test_a_file_of_that_name_that_is_another_is_left_alone(server, spec, tmp_path):
    (tmp_path / 'model.pt').write_bytes(b'mine')
    with pytest.raises(InputError, match=r'not the published file.*move'):
        download_clip(spec, tmp_path, progress=False)
    assert (tmp_path / 'model.pt').read_bytes() == b'mine'
    assert server.requests == []


def test_a_missing_file_on_the_server(server, spec, tmp_path):
    server.files.clear()
    with pytest.raises(InputError, match='answered 404'):
        download_clip(spec, tmp_path, progress=False)


def test_an_unreachable_host_is_told(spec, tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        port = unused.getsockname()[1]
    monkeypatch.setenv('MASKCLIP_BASE_URL', f'http://127.0.0.1:{port}')
    with pytest.raises(InputError, match=rf'cannot reach 127\.0\.0\.1:{port}.*MASKCLIP_BASE_URL'):
        download_clip(spec, tmp_path, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_none(tmp_path):
    with pytest.raises(InputError, match='cannot reach'):
        download_file('no-address', tmp_path / 'x', progress=False)


def test_the_first_digits_of_a_digest_are_enough(server, tmp_path):
    url = f'{server.url}/{DIGEST}/model.pt'
    assert download_file(url, tmp_path / 'a', DIGEST[:8], progress=False).exists()
    with pytest.raises(InputError, match='damaged'):
        download_file(url, tmp_path / 'b', '00000000', progress=False)


def test_models_without_a_file_say_where_theirs_are(tmp_path):
    with pytest.raises(InputError, match='ship with this package'):
        download_clip(get_spec('TinyRN'), tmp_path)
    with pytest.raises(InputError, match=r'no file to download.*open_clip has no weights'):
        download_clip(get_spec('ViT-S-32'), tmp_path)
