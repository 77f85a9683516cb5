"""CLIP's image towers with a dense last layer."""

from mmseg_maskclip.models.backbones.base import ClipBackbone, DenseFeatures
from mmseg_maskclip.models.backbones.clip_resnet import ClipResNet
from mmseg_maskclip.models.backbones.clip_vit import ClipViT
from mmseg_maskclip.models.backbones.prompted_vit import PromptedClipViT
from mmseg_maskclip.models.backbones.readouts import READOUTS

__all__ = ['READOUTS', 'ClipBackbone', 'ClipResNet', 'ClipViT', 'DenseFeatures',
           'PromptedClipViT']
