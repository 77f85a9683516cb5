"""Classes that can't win a tile change nothing but the time."""

import pytest
import torch

from mmseg_maskclip.ops import ScoreMap, compose_resize, label_map, pruning


def _windows(scores, overlap=None):
    """A map of 90 x 70 pixels from one grid, or from two windows that overlap in 20 columns."""
    rows = compose_resize(6, 90, 0, 90, 90, 90)
    if overlap is None:
        return ScoreMap([scores], [rows], [compose_resize(5, 70, 0, 70, 70, 70)])
    cover = tuple(1 + (25 <= place < 45) for place in range(70))
    columns = [compose_resize(5, 45, start, 70, 70, 70, cover) for start in (0, 25)]
    return ScoreMap([scores, overlap], [rows, rows], columns)


def _expected(map_):
    return map_.tile(0, 90, 0, 70).argmax(dim=2)


@pytest.mark.parametrize('spread', [0.0, 0.05, 1.0])
def test_labels_are_those_of_all_scores(spread, monkeypatch):
    torch.manual_seed(0)
    computed = []
    plain = ScoreMap.tile

    def counted(self, *bounds, classes=None):
        computed.append(80 if classes is None else len(classes))
        return plain(self, *bounds, classes)

    own = torch.randn(80, 1, 1)
    first, second = (own + spread * torch.randn(80, 6, 5) for _ in range(2))
    # Classes that prompt denoising removed, and two that score the same everywhere.
    first[40:60] = second[40:60] = -100.0
    first[7], second[7] = first[3], second[3]
    for made in (_windows(first), _windows(first, second)):
        expected = _expected(made)
        monkeypatch.setattr(ScoreMap, 'tile', counted)
        found = label_map([made])
        monkeypatch.undo()
        assert torch.equal(found, expected) and not (found == 7).any()
    assert sum(computed) < (1 if spread == 0 else 80 * 8), 'fewer classes than all were computed'


def test_few_classes_are_not_pruned(monkeypatch):
    monkeypatch.setattr(pruning, '_candidates', None)
    torch.manual_seed(0)
    few = _windows(torch.randn(63, 6, 5))
    assert torch.equal(label_map([few]), _expected(few))
    with pytest.raises(TypeError):
        label_map([_windows(torch.randn(64, 6, 5))])
