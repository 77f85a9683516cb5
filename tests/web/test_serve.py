"""The command: what ends it before it serves."""

import socket
import sys

import pytest

from mmseg_maskclip.cli.main import main

from helpers.cases import cases


def _run(capsys, *words):
    with pytest.raises(SystemExit) as stop:
        main(['serve', *words])
    error = capsys.readouterr().err
    return stop.value.code, [line for line in error.splitlines() if line.startswith('error: ')]


def test_a_port_that_is_taken(capsys):
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = str(other.getsockname()[1])
        code, errors = _run(capsys, '--port', port)
    assert code == 2 and len(errors) == 1
    assert f'port {port} of 127.0.0.1 is taken' in errors[0] and '--port' in errors[0]


def test_without_the_extra(capsys, monkeypatch):
    for name in [name for name in sys.modules if name.startswith('mmseg_maskclip.web')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'uvicorn', None)
    code, errors = _run(capsys, '--port', '0')
    assert code == 2 and len(errors) == 1
    assert "pip install -e '.[web]'" in errors[0] and 'uvicorn' in errors[0]


@cases('words, said', [
    (['--port', '70000'], '65535'), (['--port', '-1'], '65535'), (['--model', 'TinyXX'], 'TinyXX'),
    (['--method', 'naclip'], 'TinyRN'), (['--weights', 'no.pt'], 'no.pt'),
    (['--model', 'TinyViT', '--method', 'nclip'], 'nclip')])
def test_what_is_wrong_ends_it_before_it_serves(words, said, capsys):
    code, errors = _run(capsys, *(words if '--port' in words else ['--port', '0', *words]))
    assert code == 2 and len(errors) == 1 and said in errors[0]
