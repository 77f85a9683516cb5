"""The examples in the docs and in the docstrings of what people call."""

import doctest
import importlib

import numpy as np

from helpers.cases import cases
from helpers.tools import ROOT


@cases('page, least', [('python', 10), ('predict', 5)])
def test_the_examples_of_pages_are_true(page, least, tmp_path, monkeypatch):
    monkeypatch.setenv('MASKCLIP_CACHE', str(tmp_path))
    # Numbers print as NumPy 2 does, or as plain ones.
    with np.printoptions(legacy='1.25'):
        failed, attempted = doctest.testfile(str(ROOT / f'docs/{page}.md'), module_relative=False)
    assert attempted > least and not failed


@cases('name', ['apis.loading', 'evaluation.temperature'])
def test_the_examples_of_docstrings_are_true(name):
    failed, attempted = doctest.testmod(importlib.import_module(f'mmseg_maskclip.{name}'))
    assert attempted and not failed
