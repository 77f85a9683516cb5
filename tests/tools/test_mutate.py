"""tools/mutate.py on a package of its own."""

import ast
import json
import subprocess

import pytest

from helpers.tools import ROOT, assert_bad_input, run_tool
from mutation.mutants import draw_mutants, statements_of
from mutation.run import nearest_tests, run_tests

MODULE = '''"""Two functions."""


def difference(one: int, other: int) -> int:
    """What one is more than the other."""
    return one - other


def twice(value: int) -> int:
    """Nobody tests this one."""
    print('this is said, whatever is changed', 1 + 1)
    return value * 2
'''
TEST = '''from tiny.sums.difference import difference


def test_difference():
    assert difference(3, 1) == 2
'''


@pytest.fixture
def package(tmp_path):
    """A git repository with one module and the test of one of its two functions."""
    for name, content in {'tiny/__init__.py': '', 'tiny/sums/__init__.py': '',
                          'tiny/sums/difference.py': MODULE, 'tests/sums/test_difference.py': TEST,
                          'ignored.py': 'no python', '.gitignore': 'ignored.py\n'}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    subprocess.run(['git', 'init', '-q', tmp_path], check=True)
    return tmp_path


def test_tested_statement_is_killed_and_untested_one_survives(package):
    done = run_tool('tools/mutate.py', 'tiny/sums', '--root', package, '--out',
                    package / 'out.json', '--seed', 1)
    assert done.returncode == 0, done.stderr
    assert '1 killed, 1 survived, 0 timeout' in done.stdout
    rows = json.loads((package / 'out.json').read_text())['mutants']
    assert [(row['file'], row['line'], row['result'], row['noticed_by']) for row in rows] == [
        ('tiny/sums/difference.py', 6, 'killed', 'tests/sums/test_difference.py::test_difference'),
        ('tiny/sums/difference.py', 12, 'survived', None)]
    assert (package / 'tiny/sums/difference.py').read_text() == MODULE


def test_what_takes_too_long_is_stopped(package):
    (package / 'tests/sums/test_difference.py').write_text(
        'import time\n\n\ndef test_difference():\n    time.sleep(300)\n')
    assert run_tests(package, ['tests'], timeout=2).result == 'timeout'


def test_bad_input_is_one_sentence(package):
    assert_bad_input(run_tool('tools/mutate.py', 'none', '--root', package), "got 'none'")
    assert_bad_input(run_tool('tools/mutate.py', 'sums', '--root', package / 'tiny'),
                     'expected the root of a git repository')
    (package / 'tests/sums/test_difference.py').write_text('def test_it():\n    assert False\n')
    assert_bad_input(run_tool('tools/mutate.py', 'tiny', '--root', package),
                     'without any change tests/sums/test_difference.py::test_it fails')


def test_each_kind_of_change():
    """What takes the place of each piece of a function."""
    found = {}
    for changes in statements_of(
            'def f(x, n: int = 3, *, deep=True):\n'
            '    """0 or 1."""\n'
            '    if not x and n <= 0:\n'
            '        raise ValueError(f"{n + 1} is wrong")\n'
            '    x += 1\n'
            '    logger.info("at %d", n * 2)\n'
            '    y: tuple[int, 2] = x @ x\n'
            '    return abs(y / 2, 1)\n'):
        for change in changes:
            found.setdefault(change.what, []).append(
                (ast.unparse(change.node), change.text.strip('()')))
    assert found == {
        'number': [('3', '4'), ('0', '1'), ('1', '0'), ('2', '3'), ('1', '0')],
        'True/False': [('True', 'False')],
        'and/or': [('not x and n <= 0', 'not x or n <= 0')],
        'not removed': [('not x', 'x')],
        'comparison': [('n <= 0', 'n < 0'), ('n <= 0', 'n > 0')],
        'condition negated': [('not x and n <= 0', 'not (not x and n <= 0')],
        'operator': [('x += 1', 'x -= 1'), ('y / 2', 'y * 2')],
        'argument returned': [('abs(y / 2, 1)', 'y / 2')],
        'statement deleted': [("raise ValueError(f'{n + 1} is wrong')", 'pass'),
                              ('x += 1', 'pass')]}


def test_every_drawn_mutant_is_another_program():
    paths = ['mmseg_maskclip/ops', 'mmseg_maskclip/datasets']
    mutants = draw_mutants(ROOT, paths, 200, seed=3)
    assert len({(mutant.file, mutant.line, mutant.after) for mutant in mutants}) > 150
    for mutant in mutants:
        original = (ROOT / mutant.file).read_text()
        assert ast.dump(ast.parse(mutant.source)) != ast.dump(ast.parse(original)), mutant.change
        assert mutant.before in original.splitlines(keepends=True)[mutant.line - 1] \
            or '\n' in mutant.before
    assert draw_mutants(ROOT, paths, 200, seed=3) == mutants
    assert draw_mutants(ROOT, paths, 200, seed=4) != mutants


def test_tests_of_a_module_are_the_nearest_ones(tmp_path):
    for name in ('ops/test_labels.py', 'parity/test_all.py', 'datasets/test_base.py',
                 'datasets/pipelines/test_corrupt.py', 'cli/test_dataset_converters.py'):
        (tmp_path / 'tests' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'tests' / name).touch()
    expected = {
        'ops/labels.py': ['tests/ops/test_labels.py', 'tests/ops', 'tests/parity'],
        'datasets/pipelines/corrupt.py': ['tests/datasets/pipelines/test_corrupt.py',
                                          'tests/datasets/pipelines'],
        'datasets/converters/voc.py': ['tests/datasets', 'tests/cli/test_dataset_converters.py'],
        'engine/run.py': ['tests']}
    for module, tests in expected.items():
        assert nearest_tests(tmp_path, f'package/{module}') == tests
