import pytest
import torch

from mmseg_maskclip.ops import feature_distance


def test_worked_by_hand():
    """Student (3, 4) -> (.6, .8); teacher (0, 2) -> (0, 1): .6 and .2 apart."""
    student = torch.tensor([3.0, 4.0]).view(1, 2, 1, 1)
    teacher = torch.tensor([0.0, 2.0]).view(1, 2, 1, 1)
    everywhere = torch.ones(1, 2, 2, dtype=torch.bool)
    assert feature_distance(student, teacher, everywhere).item() == pytest.approx(0.8)
    plain = feature_distance(student, teacher, everywhere, normalise=False).item()
    assert plain == pytest.approx(3 + 3)


def test_cells_count_by_their_share_of_the_mask():
    """Left cell differs by 2 on its one channel, right by 0; 3 of 4 and 1 of 4 pixels count."""
    student = torch.tensor([[[[-1.0, 1.0]]]])
    teacher = torch.ones(1, 1, 1, 2)
    mask = torch.tensor([[[True, True, True, False], [True, False, False, False]]])
    assert feature_distance(student, teacher, mask).item() == pytest.approx(2 * 0.75 / 1.0)
    assert feature_distance(student, teacher, torch.zeros_like(mask)).item() == 0


def test_teacher_is_resized_to_the_students_grid_bilinearly():
    """Vectors (1, 0) and (0, 1) on four cells: (1, 0), (3/4, 1/4), (1/4, 3/4), (0, 1)."""
    teacher = torch.eye(2).view(1, 2, 1, 2)
    student = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 4)
    for cell, distance in enumerate((0, 1 / 4 + 1 / 4, 3 / 4 + 3 / 4, 2)):
        mask = torch.arange(4).eq(cell).view(1, 1, 4)
        assert feature_distance(student, teacher, mask).item() == pytest.approx(distance)


def test_gradient_reaches_the_student():
    torch.manual_seed(0)
    student = torch.randn(2, 6, 5, 7, requires_grad=True)
    distance = feature_distance(student, torch.randn(2, 6, 3, 4), torch.ones(2, 40, 56).bool())
    distance.backward()
    assert student.grad.abs().sum() > 0


def test_other_widths_are_refused():
    with pytest.raises(ValueError, match='width 3'):
        feature_distance(torch.ones(1, 3, 1, 1), torch.ones(1, 2, 1, 1),
                         torch.ones(1, 1, 1).bool())
