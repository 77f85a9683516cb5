"""Work that a thread does meanwhile."""

import threading

import pytest

from mmseg_maskclip.utils import in_background


def test_work_in_the_background_is_bounded_and_in_order():
    go, done = threading.Event(), []

    def work(number):
        assert go.wait(10)
        done.append(number)

    with in_background() as hand_over:
        handing = threading.Thread(target=lambda: [hand_over(work, number) for number in range(5)])
        handing.start()
        handing.join(0.2)
        assert handing.is_alive() and not done
        go.set()
        handing.join(10)
    assert done == [0, 1, 2, 3, 4]


def test_what_fails_in_the_background_ends_the_run():
    def fail():
        raise ValueError('disk')

    with pytest.raises(ValueError, match='disk'), in_background() as hand_over:
        hand_over(fail)
