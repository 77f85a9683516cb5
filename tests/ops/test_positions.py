import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.ops import POSITIONS, position_weights, resize_positions


def test_native_grid_is_untouched():
    table = torch.randn(17, 8)
    assert resize_positions(table, (4, 4)) is table


def test_grid_shape_decides_not_the_token_count():
    table = torch.randn(17, 8)
    resized = resize_positions(table, (2, 8))
    assert resized.shape == table.shape
    assert resized[0].equal(table[0])
    assert not torch.allclose(resized[1:], table[1:])


def test_constant_columns_stay_constant():
    # A table that varies by row alone must, at another width, still vary by row alone.
    rows = torch.arange(4.0).repeat_interleave(4)[:, None]
    resized = resize_positions(torch.cat([torch.zeros(1, 1), rows]), (4, 7))[1:].view(4, 7)
    torch.testing.assert_close(resized, torch.arange(4.0)[:, None].expand(4, 7))


def test_half_precision_is_kept():
    assert resize_positions(torch.randn(5, 3).half(), (3, 3)).dtype == torch.float16


def test_orientation_is_row_by_row():
    table = torch.randn(10, 2)
    expected = F.interpolate(table[1:].t().reshape(1, 2, 3, 3), size=(2, 5), mode='bicubic')
    torch.testing.assert_close(resize_positions(table, (2, 5))[1:].t().reshape(1, 2, 2, 5),
                               expected)


def test_no_square_grid_is_refused():
    with pytest.raises(ValueError, match=r'expected a position table of 1 \+ n \* n rows, got 12'):
        resize_positions(torch.randn(12, 4), (3, 3))


@pytest.mark.parametrize('mode', POSITIONS)
@pytest.mark.parametrize('own, grid', [((4, 4), (3, 9)), ((14, 14), (32, 43)), ((5, 9), (5, 4))])
def test_the_weights_of_an_axis_resize_as_torch_does(mode, own, grid):
    table = torch.randn(1 + own[0] * own[1], 3)
    rows, columns = (position_weights(size_in, size_out, mode)
                     for size_in, size_out in zip(own, grid))
    resized = torch.einsum('iy,yxc,jx->ijc', rows, table[1:].view(*own, 3), columns)
    torch.testing.assert_close(resized.flatten(0, 1),
                               resize_positions(table, grid, mode, own)[1:], rtol=0, atol=2e-5)
