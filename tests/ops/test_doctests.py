"""The examples in the docstrings of ``ops``, which are small enough to check by hand."""

import doctest
import importlib
import pkgutil

from mmseg_maskclip import ops

from helpers.cases import cases

MODULES = [info.name for info in pkgutil.walk_packages(ops.__path__, f'{ops.__name__}.')
           if not info.ispkg]


@cases('name', MODULES)
def test_examples_are_true(name):
    module = importlib.import_module(name)
    failed, attempted = doctest.testmod(module)
    assert attempted and not failed


def test_every_public_function_has_an_example():
    functions = [name for name in ops.__all__ if callable(getattr(ops, name))]
    assert [name for name in functions if '>>>' not in _documentation(getattr(ops, name))] == []


def _documentation(item):
    methods = [value.__func__ for value in vars(item).values() if hasattr(value, '__func__')]
    return ' '.join(part.__doc__ or '' for part in (item, *methods))
