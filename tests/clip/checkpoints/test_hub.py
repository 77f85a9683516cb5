"""Weights from the hub: a server on loopback in its place."""

import socket
from dataclasses import replace

import pytest
from huggingface_hub import constants

from mmseg_maskclip.clip import (
    activation_of,
    download_clip,
    find_checkpoint,
    get_spec,
    how_to_get,
    read_clip_checkpoint,
)
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.file_server import serve
from helpers.tiny_clip import make_tiny_clip, save_as, spec_of
from helpers.tools import run_tool

NAME = 'ViT-B-16:datacomp_xl_s13b_b90k'
FOLDER = '/laion/CLIP-ViT-B-16-DataComp.XL-s13B-b90K/resolve/main/'
CONFIG = b'{"model_cfg": {"embed_dim": 32, "vision_cfg": {}, "text_cfg": {}}}'


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Bytes of a tiny CLIP: safetensors, and torch's format."""
    folder, clip = tmp_path_factory.mktemp('weights'), make_tiny_clip('vit', quick_gelu=False)
    return {form: save_as(clip, folder / form, form).read_bytes()
            for form in ('safetensors', 'state_dict')}


@pytest.fixture
def server(tmp_path, monkeypatch, weights):
    with serve() as running:
        # The client reads its environment once, when it is imported.
        monkeypatch.setattr(constants, 'ENDPOINT', running.url)
        monkeypatch.setattr(constants, 'HUGGINGFACE_CO_URL_TEMPLATE',
                            running.url + '/{repo_id}/resolve/{revision}/{filename}')
        monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'cache'))
        monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', False)
        running.files[f'{FOLDER}open_clip_model.safetensors'] = weights['safetensors']
        running.files[f'{FOLDER}open_clip_config.json'] = CONFIG
        yield running


def test_a_tag_of_the_hub_is_linked_from_the_cache(server, weights, tmp_path):
    spec = get_spec(NAME)
    path = download_clip(spec, tmp_path / 'pretrain')
    assert path == tmp_path / 'pretrain/ViT-B-16-datacomp_xl_s13b_b90k.safetensors'
    assert path.read_bytes() == weights['safetensors']
    assert path.is_symlink() and tmp_path / 'cache' in path.resolve().parents
    assert find_checkpoint(spec, tmp_path / 'pretrain') == path
    asked = len(server.requests)
    assert download_clip(spec, tmp_path / 'pretrain') == path
    assert len(server.requests) == asked


def test_its_config_tells_the_activation_under_other_names(server, tmp_path):
    path = download_clip(get_spec(NAME), tmp_path / 'pretrain')
    quick = replace(spec_of(make_tiny_clip('vit')), activation='quick_gelu')
    found = activation_of(read_clip_checkpoint(path), quick)
    assert found == ('gelu', 'by open_clip_config.json beside it')


def test_without_safetensors_and_config_the_other_file_is_taken(server, weights, tmp_path):
    server.files = {f'{FOLDER}open_clip_pytorch_model.bin': weights['state_dict']}
    path = download_clip(get_spec(NAME), tmp_path / 'pretrain')
    assert path.name == 'ViT-B-16-datacomp_xl_s13b_b90k.bin'
    assert path.read_bytes() == weights['state_dict']
    assert find_checkpoint(get_spec(NAME), tmp_path / 'pretrain') == path


def test_a_file_named_by_the_tag_is_taken(server, weights, tmp_path):
    spec = replace(get_spec(NAME), hub='apple/DFN/own.bin')
    server.files = {'/apple/DFN/resolve/main/own.bin': weights['state_dict']}
    assert download_clip(spec, tmp_path / 'pretrain').read_bytes() == weights['state_dict']


def test_offline_the_cache_is_enough(server, weights, tmp_path, monkeypatch):
    download_clip(get_spec(NAME), tmp_path / 'first')
    server.files.clear()
    server.requests.clear()
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    path = download_clip(get_spec(NAME), tmp_path / 'second')
    assert path.read_bytes() == weights['safetensors']
    assert server.requests == []


def test_a_link_into_an_emptied_cache_is_made_again(server, weights, tmp_path):
    path = download_clip(get_spec(NAME), tmp_path / 'pretrain')
    path.unlink()
    path.symlink_to(tmp_path / 'gone')
    path = download_clip(get_spec(NAME), tmp_path / 'pretrain')
    assert path.is_symlink() and path.read_bytes() == weights['safetensors']


def test_where_there_are_no_links_it_is_copied(server, weights, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError('no links here')

    monkeypatch.setattr(type(tmp_path), 'symlink_to', refuse)
    path = download_clip(get_spec(NAME), tmp_path / 'pretrain')
    assert path.read_bytes() == weights['safetensors'] and not path.is_symlink()


def _everything(status, code=''):
    headers = {'X-Error-Code': code} if code else {}
    return {f'{FOLDER}{name}': (status, headers) for name in (
        'open_clip_model.safetensors', 'open_clip_pytorch_model.bin')}


@cases('statuses, words', [
    (_everything(403, 'GatedRepo'), 'accept their terms: .*HF_TOKEN'),
    (_everything(404, 'RepoNotFound'), 'were not found there, or only with a login'),
    (_everything(404, 'EntryNotFound'), 'could not be downloaded'),
    # A mirror that says no more.
    (_everything(404), 'could not be downloaded')])
def test_refusals_of_the_hub_are_told(statuses, words, server, tmp_path):
    server.statuses = statuses
    with pytest.raises(InputError, match=words) as caught:
        download_clip(get_spec(NAME), tmp_path / 'pretrain')
    assert f'bash download_weights.sh {NAME}' in str(caught.value)
    assert list((tmp_path / 'pretrain').iterdir()) == []


def test_offline_without_the_file_is_told(server, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    with pytest.raises(InputError, match='HF_HUB_OFFLINE is set: unset it'):
        download_clip(get_spec(NAME), tmp_path / 'pretrain')


def test_the_script_follows_the_client_s_environment(server, weights, tmp_path):
    """The file is fetched and linked; that it is of another size stops the conversion alone."""
    env = {'HF_ENDPOINT': server.url, 'HF_HUB_CACHE': str(tmp_path / 'own'),
           'HF_HUB_DISABLE_PROGRESS_BARS': '1', 'HF_HUB_OFFLINE': '0'}
    done = run_tool('download_weights.sh', NAME, '--out', tmp_path / 'pretrain', env=env)
    path = tmp_path / 'pretrain/ViT-B-16-datacomp_xl_s13b_b90k.safetensors'
    assert f'{NAME}: {path}' in done.stdout
    assert tmp_path / 'own' in path.resolve().parents
    assert done.returncode == 2 and 'holds a ViT of width 64' in done.stderr, done.stderr


def test_a_hub_that_can_not_be_reached_is_told(server, tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(('127.0.0.1', 0))
        nobody = f'http://127.0.0.1:{unused.getsockname()[1]}'
    monkeypatch.setattr(constants, 'ENDPOINT', nobody)
    monkeypatch.setattr(constants, 'HUGGINGFACE_CO_URL_TEMPLATE',
                        nobody + '/{repo_id}/resolve/{revision}/{filename}')
    pauses = []
    monkeypatch.setattr('time.sleep', pauses.append)
    with pytest.raises(InputError, match=rf'on {nobody}\) can not be reached.*set HF_ENDPOINT'):
        download_clip(get_spec(NAME), tmp_path / 'pretrain')
    # The client tries several times, but for one file alone.
    assert pauses.count(1) <= 1


@cases('name, words', [
    (NAME, f'Run: bash download_weights.sh {NAME}'), ('ViT16', 'download_weights.sh ViT-B/16'),
    ('TinyRN', 'ship with this package'), ('ViT-S-32', 'open_clip has no weights of'),
    ('ViT-H-14-378', 'download_weights.sh ViT-H-14-378:TAG with TAG one of dfn5b')])
def test_each_model_s_remedy_can_work(name, words):
    assert words in how_to_get(get_spec(name))


def test_sizes_that_are_no_published_model_s_are_not_sent_to_the_download():
    assert 'download' not in how_to_get(spec_of(make_tiny_clip('vit')))
