import torch

from mmseg_maskclip.ops import local_outliers


def test_outliers_do_not_depend_on_where_all_patches_lie():
    """Whole numbers, so that no addition rounds; in single precision their products would."""
    patches = torch.randint(0, 9, (2, 40, 64), generator=torch.Generator().manual_seed(0)).float()
    patches[:, 5] += 4
    found = local_outliers(patches)
    assert found[:, 5].all() and found.sum() == 4
    assert local_outliers(patches + 4096).equal(found)
