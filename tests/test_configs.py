"""Every shipped config loads, builds, dumps and loads again, and is what its name says."""

import copy
import itertools
import re
from pathlib import Path

import yaml
from mmcv import Config
from mmseg.datasets import DATASETS
from mmseg.datasets.pipelines import Compose

from mmseg_maskclip.clip import load_vocabulary
from mmseg_maskclip.models.backbones.readouts import AddedValueReadout, CalibratedReadout

from docs.metafile import fill_tables, read_metafile
from helpers.cases import cases
from helpers.configs import CONFIGS, LEAVES, ROOT, built, loaded

PLUS = [path for path in LEAVES if 'maskclip_plus_' in path.stem]
NAMED = [path for path in PLUS if 'tiny' not in path.parts]
MASKCLIP = [path for path in LEAVES if path not in PLUS]
R101 = 'deeplabv2_r101-d8'
PUBLISHED = [f'maskclip_{model}_{rest}.py' for model in ('r50', 'r50x16', 'vit16') for rest in (
    '512x512_voc12aug_20', '512x512_voc12aug', '520x520_pascal_context_59',
    '520x520_pascal_context', '512x512_coco-stuff164k', '512x512_ade20k',
    '1024x512_cityscapes')]
# The published names of MaskCLIP+, by folder.
ANNO_FREE = [
    *(f'maskclip_plus_{model}_{R101}_{rest}' for model in ('r50', 'r50x16', 'vit16') for rest in (
        '480x480_4k_pascal_context_59', '512x512_2k_voc12aug_20', '512x512_8k_coco-stuff164k')),
    *(f'maskclip_plus_{model}_{R101}_512x512_8k_ade20k' for model in ('r50', 'r50x16')),
    *(f'maskclip_plus_{model}_{R101}_512x1024_4k_cityscapes' for model in ('r50', 'vit16')),
    *(f'{variant}_maskclip_plus_vit16_{R101}_{rest}' for variant in ('ks', 'pd', 'kspd')
      for rest in ('480x480_4k_pascal_context_59', '512x512_8k_coco-stuff164k')),
    f'distill_maskclip_plus_vit16_{R101}_480x480_4k_pascal_context_59',
    *(f'maskclip_plus_{model}_segformer_{size}_480x480_8k_pascal_context_59'
      for model in ('r50', 'vit16') for size in ('b0', 'b5')),
]
WEB_IMAGE = {'batman': 7, 'batman_ext': 26, 'blur': 20, 'car_brands': 23, 'gates': 7, 'mario': 7,
             'mickey': 7, 'sports': 17}
ZERO_SHOT = {
    f'maskclip_plus_r50_{R101}_512x512_20k_voc12aug_20': range(15, 20),
    f'maskclip_plus_r50_{R101}_512x512_20k_voc12aug': range(16, 21),
    f'maskclip_plus_r50_{R101}_512x512_80k_coco-stuff164k': [
        19, 23, 28, 29, 36, 51, 76, 88, 94, 112, 133, 136, 137, 157, 160],
    **{f'maskclip_plus_{student}_480x480_40k_pascal_context': [
        20, 34, 49, 15, 8, 25, 7, 55, 32, 1] for student in (
            'r50_deeplabv3plus_r101-d8', 'vit16_deeplabv3plus_r101-d8', 'vit16_segformer_b0',
            'vit16_segformer_b5', 'r50_segformer_b5')},
}
# Learning rate, weight decay, images a step; the first whose words are in the path counts.
RECIPES = {
    'zero_shot r50_segformer_b5': (6e-5, 0.01, 8),
    'zero_shot deeplabv3plus': (0.004, 1e-4, 16),
    'anno_free r50_segformer_b5': (6e-5, 0.004, 6),
    'anno_free vit16_segformer_b0': (6e-5, 0.004, 8),
    'segformer': (2.4e-5, 0.004, 8),
    'upernet': (2.4e-5, 0.004, 8),
    'class_weight': (0.005, 2.5e-4, 8),
    'deeplabv2': (0.01, 5e-4, 16),
    'pspnet': (0.01, 5e-4, 16),
}
# Decoders and backbones that the names of students stand for.
STUDENTS = {'deeplabv2': 'ASPPHeadV2', 'deeplabv3plus': 'DepthwiseSeparableASPPHead',
            'segformer': 'SegformerHead', 'pspnet': 'PSPHead', 'upernet': 'UPerHead'}
MIT_LAYERS = {'b0': [2, 2, 2, 2], 'b1': [2, 2, 2, 2], 'b2': [3, 4, 6, 3], 'b3': [3, 4, 18, 3],
              'b4': [3, 8, 27, 3], 'b5': [3, 6, 40, 3]}
TEACHERS = {'r50': ('RN50', 1024), 'r50x16': ('RN50x16', 768), 'vit16': ('ViT-B/16', 512),
            'vit14': ('ViT-L/14', 768)}
CLASS_WEIGHT_TAU = {'r50': 0.25, 'vit16': 1.0}
# Iterations between checkpoints and between evaluations, as published.
INTERVALS = {'300': (300, None), '2k': (1000, 1000), '4k': (2000, 2000), '8k': (4000, 4000),
             '20k': (2000, 2000), '40k': (4000, 4000), '80k': (8000, 8000)}
NAME = re.compile(r'(?:(?P<variant>ks|pd|kspd|distill)_)?maskclip_plus_'
                  r'(?:(?P<readout>naclip|scclip)_)?(?P<teacher>[a-z0-9]+)_'
                  r'(?P<student>[a-z0-9]+)_(?P<size>[a-z0-9-]+)_(?P<weight>class_weight_)?'
                  r'(?P<crop>\d+x\d+)_'
                  r'(?P<length>\d+k?)_.+')
METAFILES = sorted(CONFIGS.glob('*/metafile.yml'))


def iterations(length):
    return int(length.replace('k', '000'))


def name_of(path):
    return path.stem


@cases('model, dataset', itertools.product(('r50', 'vit16'), (
    '520x520_pascal_context_59', '512x512_voc12aug_20', '512x512_coco-stuff164k')))
def test_class_weight_is_the_published_one(model, dataset):
    path = CONFIGS / f'maskclip_class_weight/maskclip_{model}_class_weight_{dataset}.py'
    config = copy.deepcopy(loaded(path))
    plain = loaded(CONFIGS / f'maskclip/maskclip_{model}_{dataset}.py')
    weight = built(path).class_weight
    assert (weight.settings.mode, weight.settings.tau) == ('softmax', CLASS_WEIGHT_TAU[model])
    # Published: CLIP as it is, on texts that are no unit vectors, whatever reads densely.
    assert weight.classifier.tower.fidelity == 'clip' and weight.settings.renormalise is False
    assert weight.classifier.own is not None and weight.classifier.spec.name == 'ViT-B/16'
    del config.model['class_weight']
    assert config.model == plain.model and config.data == plain.data


def test_the_list_is_what_was_shipped():
    names = {path.name for path in LEAVES}
    assert set(PUBLISHED) <= names
    assert len(MASKCLIP) >= 36 and len(PLUS) >= 50
    assert len(METAFILES) >= 6
    assert len(list((CONFIGS / 'maskclip_package').glob('*.py'))) == 12
    folder = CONFIGS / 'maskclip_plus'
    assert set(ANNO_FREE) <= {path.stem for path in (folder / 'anno_free').glob('*.py')}
    assert set(ZERO_SHOT) <= {path.stem for path in (folder / 'zero_shot').glob('*.py')}
    assert {f'maskclip_plus_vit16_{R101}_512x512_300_{name}' for name in WEB_IMAGE} <= {
        path.stem for path in (folder / 'anno_free/web_image').glob('*.py')}


@cases('path', LEAVES, ids=name_of)
def test_loads_builds_dumps_and_loads_again(path, tmp_path):
    config = loaded(path)
    copy = tmp_path / 'copy.py'
    config.dump(str(copy))
    assert Config.fromfile(str(copy))._cfg_dict == config._cfg_dict
    head = built(path).decode_head
    classes = config.data.test.get('classes') or DATASETS.get(config.data.test.type).CLASSES
    if isinstance(classes, str):
        classes = load_vocabulary(classes).class_names
    assert head.num_classes == len(classes)
    texts = len(load_vocabulary(config.model.decode_head.vocabulary))
    assert texts + getattr(head, 'cls_bg', False) == head.num_classes
    for part in ('train', 'val', 'test'):
        settings = config.data[part]
        for one in settings if isinstance(settings, list) else [settings]:
            Compose(one.pipeline)


@cases('path', NAMED, ids=name_of)
def test_student_and_teacher_are_what_the_name_says(path):
    config = loaded(path)
    name = NAME.fullmatch(path.stem)
    assert name, path.stem
    model = built(path)
    head, teacher = model.decode_head, model.teacher
    arch, width = TEACHERS[name['teacher']]
    assert teacher.backbone.spec.name == arch
    assert head.text_channels == teacher.decode_head.text_channels == width
    assert teacher.decode_head.num_classes == head.num_classes - head.cls_bg
    assert teacher.decode_head.vocabulary == head.vocabulary
    assert teacher.decode_head.templates == head.templates
    assert (teacher.decode_head.ks_thresh, teacher.decode_head.pd_thresh) == (
        float('ks' in (name['variant'] or '')), 0.5 * ('pd' in (name['variant'] or '')))
    assert type(head.decode_module).__name__ == STUDENTS[name['student']]
    assert not hasattr(head.decode_module, 'conv_seg')
    if name['readout'] == 'scclip':
        assert isinstance(teacher.backbone.readout, CalibratedReadout)
    elif teacher.backbone.spec.kind == 'vit':
        read = teacher.backbone.readout
        assert (read.pairs, read.sigma, read.residual, read.ffn) == (
            (('kk',), 5.0, False, False) if name['readout'] else (('v',), None, True, True))
    assert teacher.backbone.fidelity == 'clip' or not name['readout']
    if name['size'] == 'r101-d8':
        assert [len(stage) for stage in (model.backbone.layer1, model.backbone.layer2,
                                         model.backbone.layer3, model.backbone.layer4)] == [
            3, 4, 23, 3]
        assert config.model.pretrained == 'open-mmlab://resnet101_v1c'
    if name['size'] in MIT_LAYERS:
        assert [len(stage[1]) for stage in model.backbone.layers] == MIT_LAYERS[name['size']]
        assert config.model.pretrained == f"pretrain/mit_{name['size']}_weight.pth"
    assert config.custom_hooks[0].type == 'IterationHook'
    weight = model.class_weight
    assert (weight is not None) == bool(name['weight'])
    if weight is not None:
        settings = weight.settings
        assert (settings.mode, settings.on, settings.renormalise) == ('softmax', 'student', False)
        assert settings.tau == CLASS_WEIGHT_TAU[name['teacher']]
        assert weight.classifier.spec.name == 'ViT-B/16'


def recipe_of(path):
    """Learning rate, weight decay and total batch, as published."""
    for words, recipe in RECIPES.items():
        if all(word in path.as_posix() for word in words.split()):
            return recipe
    raise AssertionError(f'no recipe for {path}')


@cases('path', NAMED, ids=name_of)
def test_schedule_and_labels_are_what_the_name_says(path):
    config = loaded(path)
    name = NAME.fullmatch(path.stem)
    assert config.runner.max_iters == iterations(name['length'])
    evaluation = config.evaluation.interval if config.evaluation else None
    assert (config.checkpoint_config.interval, evaluation) == INTERVALS[name['length']]
    assert config.optimizer.type == ('AdamW' if name['student'] in ('segformer', 'upernet')
                                     else 'SGD')
    assert config.total_batch_size % config.data.samples_per_gpu == 0
    recipe = (config.optimizer.lr, config.optimizer.weight_decay, config.total_batch_size)
    assert recipe == recipe_of(path)
    train = {step.type: step for step in config.data.train.pipeline}
    crop = tuple(int(side) for side in name['crop'].split('x'))
    assert train['RandomCrop'].crop_size == train['Pad'].size == crop
    labelling = config.model.labelling
    if 'anno_free' in path.parts:
        distils = name['variant'] == 'distill'
        assert labelling == dict(clip_guided=(-1 if distils else 1, -1), self_train=(-1, -1))
        assert (config.model.get('distill') is not None) == distils
        labels = config.data.train.get('ann_dir')
        assert labels is None or config.data.train.unlabelled == 'all'
    else:
        tenth = config.runner.max_iters // 10
        assert labelling.clip_guided == (1, tenth - 1) and labelling.self_train == (tenth, -1)
        assert config.data.train.unlabelled == 'unseen'


@cases('name', ZERO_SHOT)
def test_zero_shot_splits(name):
    config = loaded(CONFIGS / f'maskclip_plus/zero_shot/{name}.py')
    dataset = DATASETS.get(config.data.train.type)
    unseen = [index for index, label in enumerate(dataset.CLASSES) if label in dataset.UNSEEN]
    assert config.model.labelling.clip_classes == unseen == sorted(ZERO_SHOT[name])
    assert config.model.labelling.get('self_classes') is None
    assert config.model.decode_head.cls_bg == (dataset.CLASSES[0] == 'background')


@cases('path', sorted((CONFIGS / 'maskclip_package').glob('*.py')), ids=name_of)
def test_the_earlier_package_reads_and_counts_as_its_table_says(path):
    """Seen, unseen, harmonic and all: rounded numbers that follow from each other by our splits."""
    backbone = built(path).backbone
    assert isinstance(backbone.readout, AddedValueReadout) and backbone.fidelity == 'clip'
    assert backbone.kind == 'resnet' or backbone.patch_embed.pad == 'drop'
    dataset = DATASETS.get(loaded(path).data.test.type)
    model, = [model for model in read_metafile(path.parent / 'metafile.yml')
              if model['Name'] == path.stem]
    assert model['Metadata']['CLIP'] == backbone.spec.name
    seen, unseen, harmonic, every = (model['Results'][0]['Metrics'][name] for name in (
        'mIoU(S)', 'mIoU(U)', 'hIoU', 'mIoU'))
    share = len(dataset.UNSEEN) / len(dataset.CLASSES)
    assert abs(2 * seen * unseen / (seen + unseen) - harmonic) < 0.11
    assert abs(seen + share * (unseen - seen) - every) < 0.11


@cases('name', WEB_IMAGE)
def test_web_images_name_one_folder_and_one_class_list(name):
    config = loaded(CONFIGS / 'maskclip_plus/anno_free/web_image'
                    / f'maskclip_plus_vit16_{R101}_512x512_300_{name}.py')
    assert config.model.decode_head.num_classes == WEB_IMAGE[name]
    assert config.model.decode_head.vocabulary == name
    for part in (config.data.train, config.data.val, config.data.test):
        assert (part.img_dir, part.classes) == (f'data/web_image/{name}', name)
    templates = {head.get('templates', 'imagenet85') for head in (
        config.model.decode_head, config.model.teacher.decode_head)}
    assert templates == {'single' if name == 'blur' else 'imagenet85'}


@cases('path', LEAVES, ids=name_of)
def test_is_a_short_leaf(path):
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    assert len(lines) <= 15
    assert 'pipeline = [' not in path.read_text()


@cases('path', METAFILES)
def test_metafile_names_configs_that_exist(path):
    models = yaml.safe_load(path.read_text())['Models']
    assert len({model['Name'] for model in models}) == len(models)
    for model in models:
        # Results of others are cited there, most of them without a config of their own.
        if path.parent.name != 'heads' or 'Config' in model:
            assert Path(model['Config']).stem == model['Name']
        for part in (model, *model['Results']):
            assert (ROOT / part.get('Config', 'configs')).exists(), part['Config']
        assert all(result['Source'] for result in model['Results'])


def test_parameters_of_student_and_teacher_are_stated():
    """Published: 156, 125, 166 and 169 M, for one of the two CLIPs with one of two students."""
    stated = {}
    for model in yaml.safe_load((CONFIGS / 'maskclip_plus/metafile.yml').read_text())['Models']:
        metadata, student = model['Metadata'], built(ROOT / model['Config'])
        count = sum(parameter.numel() for part in (student, student.teacher)
                    for parameter in part.parameters())
        assert metadata['Parameters'] == f'{count / 1e6:.0f} M', model['Name']
        stated[metadata['CLIP'], metadata['Student']] = metadata['Parameters']
    for key, published in {('RN50', 'DeepLabv2-R101'): 156, ('RN50', 'SegFormer-b5'): 125,
                           ('ViT-B/16', 'DeepLabv2-R101'): 166,
                           ('ViT-B/16', 'SegFormer-b5'): 169}.items():
        assert stated[key] == f'{published} M'


@cases('path', LEAVES, ids=name_of)
def test_scale_is_what_the_name_says(path):
    scale = loaded(path).data.test.pipeline[1].img_scale
    if '512x512' in path.stem:
        assert scale == (2048, 512)
    if '520x520' in path.stem or '480x480' in path.stem:
        assert scale == (520, 520)
    if '1024x512' in path.stem:
        assert scale == (1024, 512)
    if '512x1024' in path.stem:
        assert scale == (2048, 1024)


def test_tables_in_the_documents_are_up_to_date():
    documents = [ROOT / 'README.md', *(ROOT / 'docs').glob('*.md'),
                 *CONFIGS.glob('*/README.md')]
    stale = [path.name for path in documents
             if fill_tables(path, ROOT) != path.read_text(encoding='utf-8')]
    assert not stale, 'run: python tools/update_tables.py'
