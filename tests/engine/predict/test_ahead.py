"""Pictures that are read while others are labelled."""

import threading

import numpy as np

from mmseg_maskclip.engine.predict.ahead import Groups


def test_several_readers_keep_the_order():
    """The first picture is ready only when the third is."""
    third, read = threading.Event(), []

    def pipeline(sample):
        number = int(sample['img'][0, 0, 0])
        assert number != 0 or third.wait(10)
        if number == 2:
            third.set()
        read.append(number)
        return {'img': [sample['img']]}

    pictures = [np.full((4, 5, 3), number, np.uint8) for number in range(6)]
    named = [(picture, str(number)) for number, picture in enumerate(pictures)]
    groups = list(Groups(named, 6, pipeline, 100, 2, readers=3))
    assert [[int(one.picture.rgb[0, 0, 0]) for one in group.pictures] for group in groups] == [
        [0, 1], [2, 3], [4, 5]]
    assert read.index(2) < read.index(0)
