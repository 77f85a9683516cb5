"""Whether a word is in a picture at all, of models that run in torch and of exported ones."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmseg_maskclip.clip import TextBank
from mmseg_maskclip.engine.predict.classify import presence
from mmseg_maskclip.ops import LOGIT_SCALE
from mmseg_maskclip.portable.bank import WordBank
from mmseg_maskclip.portable.exported import presence as presence_of_exported


@pytest.mark.parametrize('background', [(), ('background',)])
def test_the_best_row_of_a_word_in_the_best_window_counts(background):
    """Two words of two rows each beside two contrast words, in two windows."""
    generator = torch.Generator().manual_seed(14)
    rows, images = (torch.nn.functional.normalize(torch.randn(count, 256, generator=generator))
                    for count in (6, 2))
    row_class, names = torch.tensor([0, 1, 0, 1, 2, 3]), ('sky', 'grass')
    logits = LOGIT_SCALE * images @ rows.T
    words, row = logits[:, :4].reshape(2, 2, 2).max(dim=1)
    of_windows = (words - logits[:, 4:].exp().sum(dim=1, keepdim=True).log()).sigmoid()
    expected, best = of_windows.max(dim=0)
    assert best.tolist() == [0, 1] and row[best, [0, 1]].tolist() == [1, 0], 'each choice counts'

    views = [SimpleNamespace(encoded=SimpleNamespace(embeddings=image[None])) for image in images]
    bank = TextBank(rows, (*names, 'wall', 'sand'), row_class,
                    ('sky', 'grass', 'clouds', 'lawn', 'wall', 'sand'))
    assert presence(views, bank, 2) == pytest.approx(expected.tolist(), rel=1e-3)
    exported = WordBank((*background, *names), ((0, 0, 0),) * (len(background) + 2), rows.numpy(),
                        row_class.numpy() + len(background), ('wall', 'sand'))
    found = presence_of_exported(list(images.numpy()), exported, LOGIT_SCALE)
    assert list(found) == list(names)
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-3)
