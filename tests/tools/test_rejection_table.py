"""The tables of pixels that are none of the words."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.tools import assert_bad_input
from tinyworld import rejection, rejection_table
from tinyworld.rejection import Scene

TOOL = 'tools/maskclip_utils/rejection_table.py'


class _Painted:
    """A picture whose labels are known: grass, sand, and sky on the right half."""

    truth = np.repeat([[0, 2, 1, 1]], 2, axis=0).astype(np.uint8)

    def classify(self, words, contrast):
        return _Answer(words)


class _Answer:
    """Grass and sand are found, and grass takes one pixel of sky without being sure."""

    none = 255
    settings = {'contrast': ['sand', 'water']}
    confidence = np.array([[0.9, 0.9, 0.4, 0.2], [0.9, 0.9, 0.2, 0.2]], np.float32)

    def __init__(self, words):
        self.words = words

    def rethreshold(self, threshold):
        self.threshold = threshold
        return self

    @property
    def labels(self):
        labels = np.full((2, 4), 255, np.uint8)
        labels[:, :2] = [self.words.index('grass'), self.words.index('sand')]
        labels[0, 2] = self.words.index('grass')
        labels[self.confidence < self.threshold] = 255
        return labels


def test_absent_words_are_counted_by_hand(monkeypatch):
    monkeypatch.setattr(rejection, 'half_splits', lambda count: [('grass', 'sand')])
    row = rejection.absent_words([Scene(_Painted(), _Painted.truth)], None, 1)
    # Of four pixels of sky, which nobody asked for, one is called grass.
    assert (row['none, 0'], row['none, 0.5']) == (0.75, 1)
    assert (row['mIoU, 0'], row['mIoU, 0.5']) == (pytest.approx((2 / 3 + 1) / 2), 1)
    assert row['contrast words'] == 2
    assert (row['AUROC'], row['FPR95']) == (1, 0)


def test_every_class_is_asked_for_once_a_split():
    halves = list(rejection.half_splits(3))
    assert len(halves) == 6 and len(set(halves)) == 6
    for first, second in zip(halves[::2], halves[1::2]):
        assert sorted(first + second) == sorted(rejection.CLASSES)
        assert len(set(first) & set(rejection.STUFF)) == 3


def test_the_tool_prints_its_tables(tiny_world, call_tool, monkeypatch):
    monkeypatch.setattr(rejection_table, 'SYNONYMS', {'grass': ('lawn',)})
    # Each class alone is as each synonym alone, and takes longer.
    tables = [name for name in rejection_table.TABLES if name != 'single']
    done = call_tool(TOOL, '--world', tiny_world, '--models', 'TinyRN', '--scenes', 1,
                     '--splits', 1, '--tables', *tables)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    titles = [line for line in lines if line.startswith('TinyRN: ')]
    assert len(titles) == len(tables)
    rows = [[cell.strip() for cell in line.split('|')[1:-1]] for line in lines
            if line.startswith('|')]
    absent = {row[0]: [float(value) for value in row[1:]] for row in rows[2:7]}
    # Nothing is rejected without a contrast set, and most of it with one.
    assert absent['none'][3] == 0 < 80 < absent['all classes, 14 (default)'][3]
    assert 'published, 9 of 27' in absent
    left_out = {row[0]: row[1] for row in rows if 'of 1' in row[1]}
    assert left_out['1'] == '0 of 1' and '1 of 1' in left_out.values()


def test_the_tool_names_a_model_it_does_not_know(tiny_world, call_tool):
    done = call_tool(TOOL, '--world', tiny_world, '--models', 'RN50')
    assert_bad_input(done, "unknown model 'RN50', expected some of TinyRN")
