"""Text files read with errors that name them."""

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


def test_any_name_that_a_file_may_have_can_be_written(tmp_path):
    with atomic_path(tmp_path / f'{"n" * 251}.txt') as temporary:
        temporary.write_text('whole')
    assert [path.read_text() for path in tmp_path.iterdir()] == ['whole']
    with pytest.raises(InputError, match='cannot be written: File name too long'), \
            atomic_path(tmp_path / f'{"m" * 252}.txt'):
        pass
    assert len(list(tmp_path.iterdir())) == 1
