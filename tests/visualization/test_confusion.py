import numpy as np

from mmseg_maskclip.visualization.confusion import draw_confusion

INK = [120, 60, 10]


def cells(picture, size, count):
    """The colour in a corner of every cell; the matrix stands at the lower right."""
    grid = picture[-size * count:, -size * count:]
    return [[grid[row * size + 2, column * size + 2].tolist() for column in range(count)]
            for row in range(count)]


def test_rows_are_shares():
    found = cells(draw_confusion(np.array([[7, 0, 0], [5, 5, 0], [0, 0, 0]]), ['a', 'b', 'c']),
                  36, 3)
    white, half, grey = [255] * 3, [188, 158, 132], [225] * 3
    assert found == [[INK, white, white], [half, half, white], [grey] * 3]


def test_a_column_of_none_has_a_name():
    picture = draw_confusion(np.array([[1, 0, 3], [0, 4, 0]]), ['a', 'b'])
    grid = picture[-72:, -36 * 3:]
    assert grid[2, 74].tolist() == [154, 109, 71] and grid[38, 38].tolist() == INK
    assert (picture[:-72, -36:] < 255).any()


def test_numbers_are_percent_of_the_row():
    """Half dark cells have a number in them, empty ones are of one colour."""
    picture = draw_confusion(np.array([[1, 1], [0, 9]]), ['a', 'b'])
    grid = picture[-72:, -72:]
    assert len(np.unique(grid[1:36, 1:36].reshape(-1, 3), axis=0)) > 2
    assert len(np.unique(grid[37:, 1:36].reshape(-1, 3), axis=0)) == 1


def test_many_classes_and_long_names_fit():
    names = [f'a rather long name of a class {index}' for index in range(459)]
    picture = draw_confusion(np.eye(459), names)
    assert max(picture.shape) < 6500
    assert cells(picture, 12, 459)[458][457:] == [[255] * 3, INK]
    left, top = picture.shape[1] - 459 * 12, picture.shape[0] - 459 * 12
    # Names stand left of every row and above every column.
    assert all((picture[top + 12 * index:top + 12 * index + 12, :left] < 100).any()
               for index in (0, 200, 458))
    assert all((picture[:top, left + 12 * index:left + 12 * index + 12] < 100).any()
               for index in (0, 200, 458))
