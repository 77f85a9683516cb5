import cv2
import numpy as np

from mmseg_maskclip.visualization.queries import draw_queries, panel_size


def test_panels_are_sorted_and_coloured_by_one_scale():
    maps = np.zeros((3, 135, 180), np.float32)
    maps[1], maps[2] = 1.0, 0.5
    picture = np.full((135, 180, 3), 100, np.uint8)
    sheet = draw_queries(picture, maps, np.array([0.1, 0.3, 0.9]), ['a', 'b', 'c'])
    cell = (135 + 18 + 4, 184)
    assert sheet.shape == (2 * cell[0], 2 * cell[1], 3)
    jet = cv2.applyColorMap(np.array([[128, 255, 0]], np.uint8), cv2.COLORMAP_JET)[0]
    for place, colour in zip(((0, 0), (0, 1), (1, 0)), jet.astype(float)):
        top, left = place[0] * cell[0], place[1] * cell[1]
        panel = sheet[top + 18:top + 18 + 135, left:left + 180]
        assert (np.abs(panel - (0.45 * 100 + 0.55 * colour)) <= 1).all()
        caption = sheet[top:top + 18, left:left + 180]
        assert caption[:, :60].min() < 100 and caption[:, -40:].min() < 100
    assert (sheet[cell[0]:, cell[1]:] == 255).all()


def test_long_names_leave_room_for_the_score_and_any_picture_has_panels():
    for size in ((4000, 20), (1, 1), (375, 500)):
        height, width = panel_size(size)
        assert max(height, width) == 180 and min(height, width) >= 1
        maps = np.zeros((171, height, width), np.float32)
        picture = np.zeros((height, width, 3), np.uint8)
        sheets = [draw_queries(picture, maps, np.full(171, 0.5), [name] * 171)
                  for name in ('a rather long name of a class', 'b')]
        assert sheets[0].shape == sheets[1].shape
        ends = [sheet[:18, max(width, 120) - 30:max(width, 120)] for sheet in sheets]
        assert (ends[0] == ends[1]).all() and ends[0].min() < 100
