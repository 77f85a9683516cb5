"""The parts, the most valuable first; imports nothing."""

from __future__ import annotations

from typing import NamedTuple


class Part(NamedTuple):
    """Something that runs in a process of its own.

    Attributes:
        name: What ``--part`` calls it.
        title: What it does.
        limit: Seconds after which it is stopped.
        needs: Packages, by the names they are imported under, without which it is left out.
    """

    name: str
    title: str
    limit: float
    needs: tuple[str, ...] = ()


ENVIRONMENT = Part('environment', 'versions, card and driver', 90)
PARTS = (
    Part('tests', 'tests marked gpu', 150, ('pytest',)),
    Part('step-fp32', 'MaskCLIP+ training step, fp32', 75),
    Part('step-bf16', 'MaskCLIP+ training step, bf16', 75),
    Part('step-fp16', 'MaskCLIP+ training step, fp16', 75),
    Part('labels-vit-b16', 'image to labels, ViT-B/16', 60),
    Part('labels-vit-l14', 'image to labels, ViT-L/14', 90),
    Part('labels-rn50x16', 'image to labels, RN50x16', 90),
    Part('labels-trained', 'labels of trained towers in half precision', 45),
    Part('zegclip-voc', 'ZegCLIP training step, PASCAL VOC', 60),
    Part('zegclip-stuff', 'ZegCLIP training step, COCO-Stuff', 60),
    Part('readouts', 'training-free read-outs', 90),
    # Last, since processes that wait for each other may leave a card busy.
    Part('processes', 'a training run of two processes', 90),
)
