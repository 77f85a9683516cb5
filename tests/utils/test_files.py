"""Text files read with errors that name them."""

import errno
import os

import pytest

from mmseg_maskclip.utils import InputError, atomic_path, read_lines, require_dir, require_file


def test_lines_are_stripped_and_blank_ones_kept_but_at_the_end(tmp_path):
    (tmp_path / 'a.txt').write_text('\ufeffone \r\n\r\n  two; 2\n \n\n', encoding='utf-8')
    assert read_lines(tmp_path / 'a.txt', 'list') == ['one', '', 'two; 2']
    (tmp_path / 'a.txt').write_text('\n \n')
    assert read_lines(tmp_path / 'a.txt', 'list') == []


def test_missing_files_and_files_of_another_encoding_are_refused(tmp_path):
    (tmp_path / 'a.txt').write_bytes(b'caf\xe9\n')
    with pytest.raises(InputError, match=r'list .*a\.txt is not UTF-8 text \(byte 3.*save it as'):
        read_lines(tmp_path / 'a.txt', 'list')
    with pytest.raises(InputError, match=r'list .*b\.txt does not exist\. Run: make lists'):
        read_lines(tmp_path / 'b.txt', 'list', 'Run: make lists')


def test_a_name_longer_than_a_file_may_have_is_missing():
    for check in (require_file, require_dir):
        with pytest.raises(InputError, match='does not exist'):
            check('n' * 300, 'list')


def test_a_name_as_long_as_a_file_may_have_is_written(tmp_path):
    path = tmp_path / ('n' * 250 + '.json')
    with atomic_path(path) as temporary:
        temporary.write_text('whole')
    assert path.read_text() == 'whole'
    with pytest.raises(InputError, match='n.json cannot be written: File name too long'), \
            atomic_path(tmp_path / ('n' * 251 + '.json')) as temporary:
        temporary.write_text('whole')


def test_what_a_full_disk_cuts_off_does_not_stay(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('before')
    with pytest.raises(InputError, match='a.txt cannot be written: No space'), \
            atomic_path(path) as temporary:
        temporary.write_text('ha')
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert path.read_text() == 'before' and list(tmp_path.iterdir()) == [path]
