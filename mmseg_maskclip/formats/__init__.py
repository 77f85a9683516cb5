"""Results in the forms that other tools read."""

from mmseg_maskclip.formats.coco import coco_of, merge_coco
from mmseg_maskclip.formats.cvat import cvat_of, merge_cvat
from mmseg_maskclip.formats.files import (
    FORMATS,
    Format,
    merge_formats,
    picture_files,
    require_formats,
    write_formats,
)
from mmseg_maskclip.formats.index_png import IndexPng, voc_palette
from mmseg_maskclip.formats.label_studio import brush_rle, label_studio_of, labelling_config
from mmseg_maskclip.formats.labelme import labelme_of
from mmseg_maskclip.formats.names import why_unfit
from mmseg_maskclip.formats.picture import (
    NONE,
    NONE_16,
    LabelledPicture,
    label_type,
    none_value,
)

__all__ = ['FORMATS', 'NONE', 'NONE_16', 'Format', 'IndexPng', 'LabelledPicture', 'brush_rle',
           'coco_of', 'cvat_of', 'label_studio_of', 'label_type', 'labelling_config', 'labelme_of',
           'merge_coco', 'merge_cvat', 'merge_formats', 'none_value', 'picture_files',
           'require_formats', 'voc_palette', 'why_unfit', 'write_formats']
