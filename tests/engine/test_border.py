"""Whatever is raised while a config is read or built is one sentence."""

import pytest

from mmseg_maskclip.engine.border import from_config
from mmseg_maskclip.engine.config import find_config, load_config
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.tools import ROOT, run_tool


@cases('error, said', [
    (TypeError('x() got an unexpected keyword argument'), 'TypeError: x.. got an unexpected'),
    (KeyError('type'), 'KeyError: type'),
    (AssertionError(), 'AssertionError: no message .raise error.'),
    (RuntimeError('Error(s) in loading:\n\tsize mismatch for a.'), 'RuntimeError: size mismatch')])
def test_sentence_is_the_place_and_the_last_line(error, said):
    words = f'^model cannot be built from the config: {said}'
    with pytest.raises(InputError, match=words) as told, \
            from_config('model'):
        raise error
    assert told.value.__cause__ is error and 'MASKCLIP_DEBUG=1' in str(told.value)


def test_own_sentences_pass_as_they_are():
    with pytest.raises(InputError, match='^x is 3$'), from_config('model'):
        raise InputError('x is 3')


BROKEN = {'nothing = undefined': "NameError: name 'undefined'", 'x = (': 'SyntaxError',
          "raise OSError('disk')": 'OSError: disk', "_base_ = 'nowhere.py'": 'nowhere.py',
          "custom_imports = dict(imports=['no_such_module'], allow_failed_imports=False)":
              'no_such_module'}


def test_config_that_can_not_be_read_is_one_sentence(tmp_path):
    path = tmp_path / 'config.py'
    for text, words in BROKEN.items():
        path.write_text(f'{text}\n')
        with pytest.raises(InputError, match='cannot be read: ') as error:
            load_config(str(path))
        assert words in str(error.value) and '\n' not in str(error.value)


def test_traceback_is_shown_where_asked_for_and_else_not(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text('nothing = undefined\n')
    for debug, shown in (('', False), ('1', True)):
        done = run_tool('tools/train.py', path, env={'MASKCLIP_DEBUG': debug})
        assert done.returncode == 2 and "name 'undefined'" in done.stderr
        assert ('Traceback' in done.stderr) == shown, done.stderr


def test_config_that_registers_nothing_is_told(tmp_path):
    path = tmp_path / 'config.py'
    path.write_text("custom_imports = dict(imports=['mmseg_maskclip'])\n"
                    'model = dict(type="MaskClip")\ndata = dict(test=dict())\n')
    with pytest.raises(InputError, match=r"registers nothing.*write 'mmseg_maskclip.register'"):
        load_config(str(path))


def test_shipped_configs_are_found_by_name_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = 'tiny/maskclip_tinyrn_256x256_tinyworld.py'
    for asked in (name, f'configs/{name}'):
        assert find_config(asked).samefile(ROOT / 'configs' / name)
    own = tmp_path / name
    own.parent.mkdir()
    own.touch()
    assert find_config(name).samefile(own)
    with pytest.raises(InputError, match='setup.py does not exist'):
        find_config('setup.py')
