"""CLIP: model zoo, checkpoints, vocabularies, prompt templates, text banks."""

from mmseg_maskclip.clip.checkpoints.activation import activation_of, fit_activation
from mmseg_maskclip.clip.checkpoints.content import (
    CheckpointContent,
    CheckpointKind,
    read_checkpoint_file,
)
from mmseg_maskclip.clip.checkpoints.download import download_clip, download_file
from mmseg_maskclip.clip.checkpoints.keys import backbone_to_openai, openai_to_backbone
from mmseg_maskclip.clip.checkpoints.paths import (
    backbone_path,
    bank_path,
    find_checkpoint,
    weights_path,
)
from mmseg_maskclip.clip.checkpoints.read import (
    ClipCheckpoint,
    clip_checkpoint_from,
    read_clip_checkpoint,
)
from mmseg_maskclip.clip.checkpoints.recognise import recognise_model
from mmseg_maskclip.clip.checkpoints.weight_files import read_weights_file
from mmseg_maskclip.clip.checkpoints.write import write_backbone_file, write_weights_file
from mmseg_maskclip.clip.device import pick_device
from mmseg_maskclip.clip.preprocess import square_of, stretched_transform
from mmseg_maskclip.clip.spec import ClipSpec, TextSpec, make_spec
from mmseg_maskclip.clip.text.bank import TextBank
from mmseg_maskclip.clip.text.build import build_text_bank, cached_text_bank, encode_classes
from mmseg_maskclip.clip.text.encoder import TextEncoder
from mmseg_maskclip.clip.text.names import NameEncoder, Phrase
from mmseg_maskclip.clip.text.templates import list_templates, load_templates
from mmseg_maskclip.clip.text.tokens import CONTEXT_LENGTH, longest, token_ids
from mmseg_maskclip.clip.text.vocabulary import (
    Vocabulary,
    combine_vocabularies,
    list_vocabularies,
    load_vocabulary,
    vocabulary_of_words,
)
from mmseg_maskclip.clip.zoo import get_spec, how_to_get, list_models

__all__ = [
    'CONTEXT_LENGTH',
    'CheckpointContent',
    'CheckpointKind',
    'ClipCheckpoint',
    'ClipSpec',
    'NameEncoder',
    'Phrase',
    'TextBank',
    'TextEncoder',
    'TextSpec',
    'Vocabulary',
    'activation_of',
    'backbone_path',
    'backbone_to_openai',
    'bank_path',
    'build_text_bank',
    'cached_text_bank',
    'clip_checkpoint_from',
    'combine_vocabularies',
    'download_clip',
    'download_file',
    'encode_classes',
    'find_checkpoint',
    'fit_activation',
    'get_spec',
    'how_to_get',
    'list_models',
    'list_templates',
    'list_vocabularies',
    'load_templates',
    'load_vocabulary',
    'longest',
    'make_spec',
    'openai_to_backbone',
    'pick_device',
    'read_checkpoint_file',
    'read_clip_checkpoint',
    'read_weights_file',
    'recognise_model',
    'square_of',
    'stretched_transform',
    'token_ids',
    'vocabulary_of_words',
    'weights_path',
    'write_backbone_file',
    'write_weights_file',
]
