"""CLIP as a classifier of whole images."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Sequence

import cv2
import mmcv
import numpy as np
import torch
from mmseg.models.builder import build_backbone
from PIL import Image, ImageOps
from torch import Tensor, nn

from mmseg_maskclip.clip import ClipSpec, TextBank, get_spec, square_of
from mmseg_maskclip.models.backbones import ClipBackbone
from mmseg_maskclip.models.class_weight.cache import EmbeddingCache, file_key
from mmseg_maskclip.models.unregistered import UnregisteredModules
from mmseg_maskclip.models.weights.state_dict import state_dict_hash
from mmseg_maskclip.ops import class_cosines
from mmseg_maskclip.ops.precision import full_precision
from mmseg_maskclip.utils import InputError


class ImageClassifier(UnregisteredModules, nn.Module):
    """Cosines of whole images with text embeddings; frozen, in single precision.

    A picture is read from its file and prepared as CLIP prepares it (short
    side, centre crop, CLIP's statistics), so neither crop, flip nor colour
    jitter of the pipeline reaches it. Each file is encoded once, in a batch of
    its own: an embedding does not depend on the images around it.

    Args:
        num_classes: K.
        arch: Name of a CLIP model.
        cache_size: Maximum number of cached embeddings.
        cache_dir: Folder of a cache on disk, or None for memory alone.
        tower: An existing tower to share; None to build one.
    """

    text_features: Tensor

    def __init__(self, num_classes: int, arch: str, cache_size: int = 200_000,
                 cache_dir: str | None = None, tower: ClipBackbone | None = None) -> None:
        super().__init__()
        self.spec: ClipSpec = get_spec(arch) if tower is None else tower.spec
        self.num_classes = num_classes
        self.cache_size = cache_size
        self.cache_dir = cache_dir
        self.cache = EmbeddingCache(cache_size, self.spec.embed_dim)
        self.register_buffer('text_features', torch.empty(0, 0), persistent=False)
        # A shared tower is registered, moved and cast where it belongs.
        self.set_unregistered('tower', tower, moves=False)
        self.own = _build_tower(self.spec) if tower is None else None

    @property
    def tower(self) -> ClipBackbone:
        """The image tower, own or shared."""
        return self.own if self.own is not None else self.unregistered('tower')

    def _apply(self, fn: Callable, *args: Any, **kwargs: Any) -> ImageClassifier:
        """Moves, but stays in single precision: cosines of CLIP lie close together."""
        # fn may move, cast or do both: tried on an empty tensor, only its device is followed.
        device = fn(self.text_features.new_empty(0)).device
        return super()._apply(lambda value: value.to(device), *args, **kwargs)

    def set_text(self, bank: TextBank) -> None:
        """Set the text embeddings of the classes.

        Args:
            bank: One row (D,) per class, K of them; D of the classifier's CLIP.

        Raises:
            InputError: If it is of other classes or another CLIP model.
        """
        bank.check(width=self.spec.embed_dim, clip=self.spec.name)
        if len(bank.embeddings) != self.num_classes:
            raise InputError(f'{bank.source} holds {len(bank.embeddings)} rows, expected one for '
                             f'each of {self.num_classes} classes of the class weight.')
        if not torch.isfinite(bank.embeddings).all():
            raise InputError(f'{bank.source} holds NaN or infinity: the CLIP file it '
                             'was made from is damaged.')
        self.text_features = bank.embeddings.to(self.text_features)

    def replace_classes(self, bank: TextBank) -> None:
        """Set the text embeddings of other classes, any number of them.

        Args:
            bank: As in :meth:`set_text`.

        Raises:
            InputError: As there.
        """
        self.num_classes = len(bank.class_names)
        self.set_text(bank)

    def open_cache(self) -> None:
        """Start an empty cache for the tower as it is now, or open the one on disk."""
        path = None
        if self.cache_dir:
            name = f'{self.spec.short_name}_{self.embedding_hash()[:16]}.sqlite'
            path = Path(self.cache_dir) / name.replace('/', '-')
        self.cache = EmbeddingCache(self.cache_size, self.spec.embed_dim, path)

    def embedding_hash(self) -> str:
        """SHA-256 of all that determines an embedding: weights, forward, input statistics."""
        statistics = {name: torch.tensor(getattr(self.tower, name), dtype=torch.float64)
                      for name in ('input_mean', 'input_std')}
        # These change the forward and not the weights: as a name they change the hash.
        forward = f'{self.tower.fidelity} {self.tower.spec.activation}'
        return state_dict_hash({**self.tower.state_dict(), **statistics, forward: torch.zeros(0)})

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Cosines of image embeddings (B, D) with the text embeddings, (B, K)."""
        if not len(self.text_features):
            raise InputError('the class weight has no text embeddings yet: load the model with '
                             'mmseg_maskclip.load_weights, or call set_text.')
        return class_cosines(embeddings.to(self.text_features.device), self.text_features)

    @torch.no_grad()
    def of_files(self, paths: Sequence[str]) -> Tensor:
        """Cosines of image files with the text embeddings.

        Args:
            paths: B files.

        Returns:
            (B, K).

        Raises:
            InputError: If a file can't be read.
        """
        # A shared tower may have been cast; devices round differently.
        weights = next(self.tower.parameters())
        kind = f'{weights.dtype}|{weights.device.type}'
        keys = [file_key(path, kind) for path in paths]
        known = {key: value for key in keys if (value := self.cache.get(key)) is not None}
        new = {key: self.encode(_read(path)).cpu() for key, path in zip(keys, paths)
               if key not in known}
        self.cache.put(new)
        # A cache that is full keeps nothing new.
        known.update(new)
        return self.cosines(torch.stack([known[key] for key in keys]))

    @torch.no_grad()
    def of_inputs(self, images: Tensor, metas: Sequence[dict]) -> Tensor:
        """Cosines of network inputs with the text embeddings, for images without a file.

        Normalisation, padding and flips are undone, and the picture is resized
        to its original size first.

        Args:
            images: (B, 3, H, W), whole images.
            metas: One dict an image, as mmseg's test pipelines write them.

        Returns:
            (B, K).
        """
        return self.cosines(torch.stack([
            self.encode(_undo_pipeline(image, meta)) for image, meta in zip(images, metas)]))

    @torch.no_grad()
    def encode(self, picture: Image.Image) -> Tensor:
        """CLIP's embedding of a picture, (D,) float32, on the classifier's device."""
        tower = self.tower
        pixels = square_of(picture, self.spec.image_size)[None].to(self.text_features.device)
        mean, std = (pixels.new_tensor(value, dtype=torch.float32).view(1, 3, 1, 1)
                     for value in (tower.input_mean, tower.input_std))
        with full_precision(pixels):
            return tower.encode_image((pixels.float() - mean) / std)[0].float()


def _build_tower(spec: ClipSpec) -> ClipBackbone:
    kind = 'ClipViT' if spec.kind == 'vit' else 'ClipResNet'
    statistics = {f'input_{name}': [255 * value for value in getattr(spec, name)]
                  for name in ('mean', 'std')}
    return build_backbone({'type': kind, 'arch': spec.name, 'fidelity': 'clip', **statistics})


def _read(path: str) -> Image.Image:
    try:
        with Image.open(path) as picture:
            if picture.mode.startswith('I;16'):
                # PIL would clip 16 bits at 255 instead of scaling them.
                return Image.fromarray((np.asarray(picture) // 256).astype(np.uint8)).convert('RGB')
            # As the pipeline reads it: rotated as EXIF data say.
            return ImageOps.exif_transpose(picture).convert('RGB')
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        # The pipeline's reader accepts more, e.g. a JPEG with a corrupt byte.
        pixels = _read_as_the_pipeline(path)
        if pixels is None:
            raise InputError(f'the image {path} of the class weight cannot be read: {error}.'
                             ) from error
        return Image.fromarray(mmcv.bgr2rgb(pixels))


def _read_as_the_pipeline(path: str) -> np.ndarray | None:
    """BGR pixels (H, W, 3), None where OpenCV can't read the file either."""
    try:
        return mmcv.imread(path)
    except (OSError, cv2.error):
        return None


def _undo_pipeline(image: Tensor, meta: dict) -> Image.Image:
    norm = meta.get('img_norm_cfg')
    if norm is None:
        raise InputError("the class weight finds neither 'filename' nor 'img_norm_cfg' among the "
                         "image's meta keys: keep both in Collect(meta_keys=...).")
    mean, std = (torch.as_tensor(norm[name]).view(3, 1, 1).float() for name in ('mean', 'std'))
    pixels = (image.cpu().float() * std + mean).round().clamp(0, 255).byte()
    picture = pixels.permute(1, 2, 0).numpy()
    if not norm.get('to_rgb', True):
        picture = mmcv.bgr2rgb(picture)
    # mmseg resizes, flips, normalises and pads, in this order.
    height, width = meta['img_shape'][:2]
    picture = picture[:height, :width]
    if meta.get('flip'):
        picture = mmcv.imflip(picture, meta['flip_direction'])
    size = (meta['ori_shape'][1], meta['ori_shape'][0])
    found = Image.fromarray(np.ascontiguousarray(picture))
    return found if found.size == size else found.resize(size, Image.Resampling.BICUBIC)
