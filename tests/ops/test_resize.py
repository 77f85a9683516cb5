import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.ops import HeldScores, ScoreMap, compose_resize, label_map, shrink

from helpers.cases import cases


def _resize(scores, size, align_corners=False):
    return F.interpolate(scores, size=size, mode='bilinear', align_corners=align_corners)


def _same_but_ties(labels, scores):
    """Labels are an arg-max of (K, H, W) scores, up to rounding."""
    best = scores.max(dim=0).values
    chosen = scores.gather(0, labels[None])[0]
    assert (best - chosen).max() < 1e-5
    assert (labels != scores.argmax(dim=0)).float().mean() < 1e-3


@cases('align_corners', [False, True])
@cases('image, crop, out', [
    ((64, 96), (64, 96), (64, 96)), ((64, 96), (60, 91), (37, 131)),
    ((48, 48), (48, 48), (200, 9))])
def test_two_resizes_and_a_crop_equal_interpolate(image, crop, out, align_corners):
    torch.manual_seed(0)
    scores = torch.randn(7, 4, 6)
    plain = _resize(scores[None], image, align_corners)[..., :crop[0], :crop[1]]
    plain = _resize(plain, out, align_corners)[0]
    axes = [compose_resize((4, 6)[i], image[i], 0, image[i], crop[i], out[i],
                           align_corners=align_corners) for i in range(2)]
    score_map = ScoreMap([scores], [axes[0]], [axes[1]])
    tiled = score_map.tile(0, out[0], 0, out[1]).permute(2, 0, 1)
    torch.testing.assert_close(tiled, plain, rtol=1e-4, atol=1e-5)
    _same_but_ties(label_map([score_map]), plain)


def test_tiles_meet_without_seams(monkeypatch):
    from mmseg_maskclip.ops import label_maps
    torch.manual_seed(1)
    scores = torch.randn(5, 9, 11)
    rows, columns = compose_resize(9, 90, 0, 90, 90, 77), compose_resize(11, 110, 0, 110, 110, 140)
    score_map = ScoreMap([scores], [rows], [columns])
    whole = score_map.tile(0, 77, 0, 140)
    monkeypatch.setattr(label_maps, 'TILE_BYTES_CPU', 4 * 5 * 64)
    _same_but_ties(label_map([score_map]), whole.permute(2, 0, 1))
    torch.testing.assert_close(score_map.tile(13, 29, 50, 66), whole[13:29, 50:66])


def test_mirrored_input_is_mirrored_back():
    torch.manual_seed(2)
    scores = torch.randn(3, 4, 5)
    rows = compose_resize(4, 40, 0, 40, 40, 33)
    columns = compose_resize(5, 50, 0, 50, 50, 61, flip=True)
    plain = _resize(_resize(scores[None], (40, 50)), (33, 61)).flip(3)[0]
    tiled = ScoreMap([scores], [rows], [columns]).tile(0, 33, 0, 61).permute(2, 0, 1)
    torch.testing.assert_close(tiled, plain, rtol=1e-4, atol=1e-5)


def test_several_maps_average_their_softmax():
    # Worked by hand: softmax means (0.73+0.12)/2 against (0.27+0.88)/2.
    grids = [torch.tensor([1.0, 0.0]).view(2, 1, 1), torch.tensor([0.0, 2.0]).view(2, 1, 1)]
    axis = compose_resize(1, 8, 0, 8, 8, 3)
    maps = [ScoreMap([grid], [axis], [axis]) for grid in grids]
    assert label_map(maps[:1]).eq(0).all()
    assert label_map(maps).eq(1).all()
    assert label_map([maps[0], maps[0], maps[1]]).eq(0).all()


def test_large_vocabulary_never_holds_all_scores():
    # 400 classes at 1024 x 1024 would be 1.7 GB of scores.
    scores = torch.randn(400, 16, 16)
    axis = compose_resize(16, 256, 0, 256, 256, 1024)
    largest = 0
    original = ScoreMap.tile

    def watched(self, *box, **classes):
        nonlocal largest
        tile = original(self, *box, **classes)
        largest = max(largest, tile.numel() * 4)
        return tile

    ScoreMap.tile = watched
    try:
        label_map([ScoreMap([scores], [axis], [axis])])
    finally:
        ScoreMap.tile = original
    assert 0 < largest <= 4 << 20


def test_shrunk_maps_are_means_over_areas_whatever_the_tiles(monkeypatch):
    from mmseg_maskclip.ops import label_maps
    torch.manual_seed(3)
    maps = [HeldScores(torch.randn(3, 35, 50)) for _ in range(2)]
    full = (maps[0].values + maps[1].values) / 2
    # Areas of 35/8 x 50/12 pixels, exactly: on a grid fine enough for both.
    fine = full.repeat_interleave(8, 1).repeat_interleave(12, 2)
    expected = F.avg_pool2d(fine, (35, 50))
    monkeypatch.setattr(label_maps, 'TILE_BYTES_CPU', 4 * 3 * 13**2)
    small, highest = shrink(maps, (8, 12))
    torch.testing.assert_close(small, expected)
    torch.testing.assert_close(highest, full.flatten(1).amax(1))
    torch.testing.assert_close(shrink(maps, (70, 50))[0], full.repeat_interleave(2, 1))


def test_a_tile_that_no_grid_reaches_is_refused():
    right_half = compose_resize(2, 8, 8, 16, 16, 16)
    whole = compose_resize(2, 16, 0, 16, 16, 16)
    scores = ScoreMap([torch.ones(3, 2, 2)], [whole], [right_half])
    assert scores.tile(0, 4, 8, 16).shape == (4, 8, 3)
    with pytest.raises(ValueError, match='no grid reaches rows 0 to 4, columns 0 to 8'):
        scores.tile(0, 4, 0, 8)


def test_one_step_from_a_grid_that_covers_padding_and_more_than_the_image():
    """Each output pixel reads the grid where its centre lies; here one cell is 10 pixels."""
    grid = torch.arange(6.0).view(1, 1, 6, 1)
    axis = compose_resize(6, 52, 0, 52, 40, 8, padding=(3, 5), direct=True)
    # The image is pixels 3 to 43 of 60; 8 outputs of 5 pixels each.
    centres = 3 + 5 * (torch.arange(8) + 0.5)
    expected = (centres / 10 - 0.5).clamp(0, 5)
    torch.testing.assert_close(axis.weights @ grid.flatten(), expected)
    plain = compose_resize(6, 60, 0, 60, 60, 17, direct=True, align_corners=True)
    torch.testing.assert_close(plain.weights @ grid.flatten(),
                               _resize(grid, (17, 1), align_corners=True).flatten())
