"""Configs of ZegCLIP: modes, splits, prompts, schedules, and where the earlier ones went."""

import re
from types import SimpleNamespace

import pytest
import torch
import yaml
from mmcv.runner import build_optimizer
from mmcv.runner.hooks import HOOKS
from mmseg.datasets import DATASETS

from helpers.cases import cases
from helpers.configs import CONFIGS, ROOT, loaded

FOLDER = CONFIGS / 'zegclip'
TINY = CONFIGS / 'tiny'
STUFF = [19, 23, 28, 29, 36, 51, 76, 88, 94, 112, 133, 136, 137, 157, 160]
CONTEXT = [0, 6, 7, 14, 19, 24, 31, 33, 48, 54]
SINGLE = ['a photo of a {}']
# Of each data set: end of the names, iterations, prompts, classes, the unseen ones, templates.
SETS = [
    ('voc12aug_20', 20000, 10, 20, [15, 16, 17, 18, 19], SINGLE),
    ('coco-stuff164k', 80000, 100, 171, STUFF, 'zegclip15'),
    ('pascal_context_59', 40000, 35, 59, CONTEXT, 'zegclip15'),
]
# Of each mode: part of the names, share of the iterations, withheld labels, offset of seen classes.
MODES = {'inductive': ('', 1, 'unseen', 0.1), 'transductive': ('transductive_', 2, 'unseen', 0.0),
         'supervised': ('supervised_', 1, None, 0.0)}
TRANSFER = {'cross_dataset/zegclip_vit16_512x512_voc12aug_20': 20,
            'cross_dataset/zegclip_vit16_512x512_pascal_context_59': 59,
            'cross_dataset/zegclip_vit16_512x512_pascal_context': 60,
            'cross_dataset/zegclip_vit16_512x512_ade20k': 150,
            'zegclip_vit16_512x512_demo': 5}
# The published results: pAcc, mIoU(S), mIoU(U), hIoU.
PUBLISHED = {
    ('Pascal VOC 20', 'inductive'): (94.6, 91.9, 77.8, 84.3),
    ('Pascal VOC 20', 'transductive'): (96.2, 92.3, 89.9, 91.1),
    ('Pascal VOC 20', 'fully supervised'): (96.3, 92.4, 90.9, 91.6),
    ('COCO-Stuff 164k', 'inductive'): (62.0, 40.2, 41.1, 40.8),
    ('COCO-Stuff 164k', 'transductive'): (69.2, 40.7, 59.9, 48.5),
    ('COCO-Stuff 164k', 'fully supervised'): (69.9, 40.7, 63.2, 49.6),
}
EARLIER = {
    'voc12/vpt_seg_zero_vit-b_512x512_20k_12_10': 'zegclip_vit16_512x512_20k_voc12aug_20',
    'voc12/vpt_seg_zero_vit-b_512x512_10k_12_10_st':
        'zegclip_transductive_vit16_512x512_10k_voc12aug_20',
    'voc12/vpt_seg_fully_vit-b_512x512_20k_12_10':
        'zegclip_supervised_vit16_512x512_20k_voc12aug_20',
    'coco/vpt_seg_zero_vit-b_512x512_80k_12_100_multi': 'zegclip_vit16_512x512_80k_coco-stuff164k',
    'coco/vpt_seg_zero_vit-b_512x512_40k_12_100_multi_st':
        'zegclip_transductive_vit16_512x512_40k_coco-stuff164k',
    'coco/vpt_seg_fully_vit-b_512x512_80k_12_100_multi':
        'zegclip_supervised_vit16_512x512_80k_coco-stuff164k',
    'cross_dataset/coco-to-voc': 'zegclip_vit16_512x512_voc12aug_20',
    'cross_dataset/coco-to-context': 'zegclip_vit16_512x512_pascal_context',
    '..._12_10_multi': 'zegclip_vit16_512x512_20k_voc12aug_20',
    '..._multi_st': 'zegclip_transductive_vit16_512x512_10k_voc12aug_20',
}


def _name(dataset, mode, iterations):
    return f'zegclip_{MODES[mode][0]}vit16_512x512_{iterations // 1000}k_{dataset}'


def _training():
    """(data set's row, mode, its config) of all that train on ViT-B/16."""
    for row in SETS:
        for mode, (_, share, *_) in MODES.items():
            yield row, mode, loaded(FOLDER / f'{_name(row[0], mode, row[1] // share)}.py')


def test_all_are_here():
    names = {_name(row[0], mode, row[1] // MODES[mode][1]) for row in SETS for mode in MODES}
    found = {str(path.relative_to(FOLDER).with_suffix('')) for path in FOLDER.glob('**/*.py')}
    assert found == {*names, *TRANSFER, 'zegclip_vit14_512x512_20k_voc12aug_20'}


def test_modes_splits_and_prompts():
    for (_, iterations, prompts, classes, unseen, templates), mode, config in _training():
        _, share, withheld, offset = MODES[mode]
        model = config.model
        assert (model.mode, model.unseen, model.transfer) == (mode, unseen, False)
        dataset = DATASETS.get(config.data.train.type)
        assert sorted(map(dataset.CLASSES.index, dataset.UNSEEN)) == unseen
        assert (model.backbone.num_prompts, model.decode_head.num_classes) == (prompts, classes)
        assert model.decode_head.templates == templates
        assert model.decode_head.loss_decode == dict(
            type='FocalDiceLoss', mask_weight=100.0, dice_weight=1.0, ignore_in_loss=False)
        assert model.test_cfg == dict(
            mode='slide', crop_size=(512, 512), stride=(426, 426), seen_offset=offset)
        assert config.data.train.unlabelled == withheld
        assert config.runner.max_iters == iterations // share
        tenth = config.runner.max_iters // 10
        assert config.checkpoint_config.interval == config.evaluation.interval == tenth
        assert 'find_unused_parameters' not in config
        assert config.data.samples_per_gpu * 4 == config.total_batch_size == 16


@cases('name', ['zegclip_vit14_512x512_20k_voc12aug_20', *TRANSFER])
def test_what_is_not_published_changes_the_classes_or_the_tower_alone(name):
    config = loaded(FOLDER / f'{name}.py')
    base = loaded(FOLDER / 'zegclip_vit16_512x512_20k_voc12aug_20.py').model
    model, head = config.model, config.model.decode_head
    if name in TRANSFER:
        assert (model.transfer, model.unseen, model.test_cfg.seen_offset) == (True, [], 0.0)
        assert head.num_classes == TRANSFER[name] and head.templates == 'zegclip15'
        assert model.backbone == {**base.backbone, 'num_prompts': 100}
        assert 'runner' not in config
        # Another data set's split says nothing of a checkpoint that was trained elsewhere.
        assert config.data.test.get('unseen', []) == config.data.val.get('unseen', []) == []
        assert 'unseen' in config.data.test or name.endswith('demo')
    else:
        assert model.backbone.arch == 'ViT-L/14' and head.embed_dims % head.num_heads == 0
        # 512 / 14 is 36.6: the table has the grid of the padded crop.
        assert model.backbone.stored_grid == (37, 37) and model.backbone.pad == 'corner'
        assert head.text_channels == 768


@cases('name, mode, withheld, iterations, prompts', [
    ('zegclip_tinyvit8_128x128_800_tinyworld', 'inductive', 'unseen', 800, 8),
    ('zegclip_transductive_tinyvit8_128x128_400_tinyworld', 'transductive', 'unseen', 400, 8),
    ('zegclip_supervised_tinyvit8_128x128_800_tinyworld', 'supervised', None, 800, 8),
    ('zegclip_no_prompts_tinyvit8_128x128_800_tinyworld', 'inductive', 'unseen', 800, 0),
])
def test_embedded_world_has_every_mode_and_the_baseline(name, mode, withheld, iterations, prompts):
    config = loaded(TINY / f'{name}.py')
    model = config.model
    assert (model.mode, config.data.train.unlabelled) == (mode, withheld)
    assert config.runner.max_iters == iterations
    assert 400 % config.checkpoint_config.interval == 0
    assert (model.backbone.num_prompts, model.backbone.prompt_norm) == (prompts, prompts > 0)
    # Its CLIP runs as it was trained, with none of ZegCLIP's quirks.
    assert (model.backbone.renormalise, model.backbone.double_class_token) == (True, False)
    assert model.unseen == [3, 9, 11, 12]
    assert model.test_cfg.crop_size == (128, 128) and model.test_cfg.stride == (64, 64)


def _rates(config, iterations):
    """Learning rates of one parameter at some iterations, by mmcv's own hook."""
    weight = torch.nn.Linear(1, 1)
    optimizer = build_optimizer(weight, config.optimizer)
    assert [group['weight_decay'] for group in optimizer.param_groups] == [0.01]
    settings = dict(config.lr_config)
    hook = HOOKS.get(f"{settings.pop('policy').capitalize()}LrUpdaterHook")(**settings)
    runner = SimpleNamespace(
        optimizer=optimizer, iter=0, max_iters=config.runner.max_iters, epoch=0)
    hook.before_run(runner)
    found = []
    for runner.iter in iterations:
        hook.before_train_iter(runner)
        found.append(optimizer.param_groups[0]['lr'])
    return found


def test_learning_rates_are_the_published_ones():
    voc, stuff = (loaded(FOLDER / f'{name}.py') for name in (
        'zegclip_vit16_512x512_20k_voc12aug_20', 'zegclip_vit16_512x512_80k_coco-stuff164k'))
    assert _rates(voc, [1500, 10000]) == pytest.approx([1.865e-4, 1.076e-4], rel=5e-4)
    assert _rates(stuff, [1500]) == pytest.approx([1.966e-4], rel=5e-4)
    start, half, end = _rates(voc, [0, 750, 19999])
    assert start == pytest.approx(2e-10) and end == pytest.approx(1.03e-6, rel=5e-3)
    regular = 1.99e-4 * (1 - 750 / 20000) ** 0.9 + 1e-6
    assert half == pytest.approx(regular * 0.5, rel=1e-5)


def test_metafile_has_the_published_results():
    models = yaml.safe_load((FOLDER / 'metafile.yml').read_text())['Models']
    found = {(result['Dataset'], model['Metadata']['Setting']): tuple(
        result['Metrics'][name] for name in ('pAcc', 'mIoU(S)', 'mIoU(U)', 'hIoU'))
        for model in models for result in model['Results']}
    assert found == PUBLISHED
    for model in models:
        config = loaded(ROOT / model['Config'])
        mode = {'fully supervised': 'supervised'}.get(
            model['Metadata']['Setting'], model['Metadata']['Setting'])
        assert config.model.mode == mode
        assert config.runner.max_iters == model['Metadata']['Iterations']
        assert config.model.backbone.num_prompts == model['Metadata']['Prompts']


def test_every_earlier_config_name_leads_to_one_that_exists():
    text = (FOLDER / 'README.md').read_text()
    rows = {cells[1].strip(' `'): cells[2] for cells in (
        line.split('|') for line in text.splitlines() if line.startswith('| `'))}
    for earlier, name in EARLIER.items():
        linked = re.search(r'\(([\w./-]+\.py)\)', rows[f'{earlier}.py'])
        assert linked, earlier
        assert (FOLDER / linked[1]).is_file() and linked[1].endswith(f'{name}.py'), earlier
    for key in ('base_class', 'novel_class', 'both_class', 'self_training', 'exclude_key',
                'ft_backbone', 'load_text_embedding', 'multi_prompts', 'total_d_layer',
                'num_tokens', 'prompt_dim', 'out_indices', 'get_embeddings', 'img_size',
                'seen_idx', 'all_idx', 'use_proj', 'crop_train', 'use_stages', 'drop_path_rate',
                'context_length', 'tau', '--options', '--finetune', 'seg_pad_val=200'):
        assert any(f'`{key}`' in line for line in text.splitlines() if line.startswith('|')), key
