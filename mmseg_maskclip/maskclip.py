"""The functions of the earlier ``maskclip`` package (akanametov/MaskCLIP), on this project.

::

    import mmseg_maskclip.maskclip as maskclip

    model, preprocess = maskclip.load('ViT-B/16')
    embeddings = maskclip.generate_text_embeddings(model, ['a dog', 'a cat'])
    model.initialize_text_embeddings(embeddings)
    logits = model(preprocess(picture).unsqueeze(0))

What differs from it, and why, is in ``docs/maskclip_package.md``.
"""

from mmseg_maskclip.apis.maskclip_package import (
    DENSE_MODES,
    DenseCRF,
    DualEncoder,
    available_datasets,
    available_models,
    available_palette,
    draw_segmentation,
    generate_text_embeddings,
    get_classes,
    get_palette,
    load,
    tokenize,
)

__all__ = ['DENSE_MODES', 'DenseCRF', 'DualEncoder', 'available_datasets', 'available_models',
           'available_palette', 'draw_segmentation', 'generate_text_embeddings', 'get_classes',
           'get_palette', 'load', 'tokenize']
