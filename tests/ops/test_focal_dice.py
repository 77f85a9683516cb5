"""ZegCLIP's losses against the formulas written out, with targets and full-size tensors."""

import pytest
import torch
import torch.nn.functional as F

from mmseg_maskclip.ops import focal_dice


def _plain(logits, labels, leave_out, alpha, gamma):
    """Focal and dice loss with one-hot targets (SegLossPlus of the official code)."""
    target = torch.stack([(labels == index).float() for index in range(logits.shape[1])], dim=1)
    counted = ((labels != 255) if leave_out else torch.ones_like(labels)).float()[:, None]
    probability = logits.sigmoid()
    right = probability * target + (1 - probability) * (1 - target)
    share = alpha * target + (1 - alpha) * (1 - target)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction='none')
    focal = (share * (1 - right) ** gamma * entropy * counted).sum(dim=(2, 3))
    focal = focal / counted.sum(dim=(2, 3)).clamp(min=1)
    present = target.sum(dim=(2, 3)) > 0
    pairs = present.sum().clamp(min=1)
    shared = (probability * target).sum(dim=(2, 3))
    sizes = (probability * counted).sum(dim=(2, 3)) + target.sum(dim=(2, 3))
    dice = 1 - (2 * shared + 1) / (sizes + 1)
    return focal.sum() / pairs, (dice * present).sum() / pairs


@pytest.mark.parametrize(('leave_out', 'alpha', 'gamma'), [
    (False, 0.25, 2.0), (True, 0.25, 2.0), (True, 0.6, 1.5)])
def test_losses_and_gradients_are_those_of_the_formulas(leave_out, alpha, gamma):
    torch.manual_seed(0)
    values, labels = 3 * torch.randn(2, 5, 7, 9), torch.randint(0, 4, (2, 7, 9))
    labels[torch.rand(2, 7, 9) < 0.3] = 255
    found, wanted = values.clone().requires_grad_(), values.clone().requires_grad_()
    losses = focal_dice(found, labels, leave_out=leave_out, alpha=alpha, gamma=gamma)
    plain = _plain(wanted, labels, leave_out, alpha, gamma)
    torch.testing.assert_close(tuple(losses), plain)
    # Of different weight, so that neither gradient can stand for the other.
    (3 * losses.focal + 5 * losses.dice).backward()
    (3 * plain[0] + 5 * plain[1]).backward()
    torch.testing.assert_close(found.grad, wanted.grad)


def test_a_batch_without_a_label_has_negatives_alone():
    logits, labels = torch.ones(1, 2, 3, 3), torch.full((1, 3, 3), 255)
    focal, dice = focal_dice(logits, labels)
    assert focal.item() == pytest.approx(_plain(logits, labels, False, 0.25, 2.0)[0].item())
    assert dice == 0
    assert focal_dice(logits, labels, leave_out=True) == (0, 0)


def test_pairs_are_averaged_over_processes():
    logits, labels = torch.randn(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.int64)
    alone = focal_dice(logits, labels)
    seen = []

    def average(count):
        seen.append(count.item())
        return 2 * count

    shared = focal_dice(logits, labels, average=average)
    assert seen == [2]
    torch.testing.assert_close(2 * shared.focal, alone.focal)
    torch.testing.assert_close(2 * shared.dice, alone.dice)
