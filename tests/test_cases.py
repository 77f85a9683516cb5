"""The helper that runs a table of cases as one test."""

import pytest

from helpers.cases import cases


def test_all_that_fail_are_reported_and_the_others_are_run(tmp_path):
    seen = []

    @cases('number, word', [(1, 'one'), (2, 'two'), (3, 'three'), (4, 'four')])
    def check(number, word):
        seen.append(word)
        if number == 2:
            with pytest.raises(ValueError):
                int('2')
        assert number != 3, 'three is not wanted'

    with pytest.raises(AssertionError) as failure:
        check()
    assert seen == ['one', 'two', 'three', 'four']
    first, *told = str(failure.value).splitlines()
    assert first == '2 of 4 cases failed'
    assert told[0].startswith("  [2, 'two'] test_cases.py:") and 'DID NOT RAISE' in told[0]
    assert told[1].startswith("  [3, 'three'] test_cases.py:")
    assert 'AssertionError: three is not wanted' in told[1]


def test_each_case_has_a_folder_and_patches_of_its_own(tmp_path, monkeypatch):
    folders = []

    @cases('name', ['CASE_A', 'CASE_B'])
    def check(name, tmp_path, monkeypatch):
        assert not list(tmp_path.iterdir())
        (tmp_path / 'file').touch()
        monkeypatch.delenv('CASE_A')
        folders.append(tmp_path)

    monkeypatch.setenv('CASE_A', '1')
    check(tmp_path=tmp_path, monkeypatch=monkeypatch)
    assert len(set(folders)) == 2
