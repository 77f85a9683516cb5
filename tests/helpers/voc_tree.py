"""Small data sets on disk, in the layout of the real ones."""

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (12, 16)


def write_image(path: Path, size: tuple = SIZE, seed: int = 0) -> Path:
    """Write a random colour picture; the suffix chooses the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(seed).randint(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def write_labels(path: Path, labels: np.ndarray) -> Path:
    """Write ids as a PNG of 8 bits, or of 16 where they need it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    labels = np.asarray(labels)
    Image.fromarray(labels.astype(np.uint8 if labels.max() < 256 else np.uint16)).save(path)
    return path


def write_voc(root: Path, labels: dict, folder: str = 'SegmentationClass',
              lists: str = 'Segmentation') -> Path:
    """A VOC tree with one picture per entry of ``labels``, all of them in val.txt."""
    for number, (name, ids) in enumerate(labels.items()):
        write_image(root / 'JPEGImages' / f'{name}.jpg', np.asarray(ids).shape, seed=number)
        write_labels(root / folder / f'{name}.png', ids)
    split = root / 'ImageSets' / lists / 'val.txt'
    split.parent.mkdir(parents=True, exist_ok=True)
    split.write_text('\n'.join(labels) + '\n')
    return root
