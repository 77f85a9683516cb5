"""What a training-free model does after its scores; one refiner a file."""

from mmseg_maskclip.models.refiners.background import Background, says_background
from mmseg_maskclip.models.refiners.class_prior import ClassPrior
from mmseg_maskclip.models.refiners.closing import Closing
from mmseg_maskclip.models.refiners.pamr import Pamr
from mmseg_maskclip.models.refiners.queries import QueryClasses
from mmseg_maskclip.models.refiners.refiners import Refiners
from mmseg_maskclip.models.refiners.registry import REFINERS
from mmseg_maskclip.models.refiners.view import View

__all__ = ['REFINERS', 'Background', 'ClassPrior', 'Closing', 'Pamr', 'QueryClasses', 'Refiners',
           'View', 'says_background']
