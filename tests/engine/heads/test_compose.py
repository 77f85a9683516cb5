"""Training-free methods: composed of the files of configs/heads, as published."""

import itertools
from pathlib import Path

import pytest
import torch
import yaml
from mmseg.datasets import DATASETS
from mmseg.models import build_segmentor

from mmseg_maskclip.clip import get_spec, load_vocabulary
from mmseg_maskclip.engine.build import build_model
from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.heads import (
    OWN_PROTOCOL,
    choose,
    compose,
    part_names,
    save_config,
)
from mmseg_maskclip.engine.unread import READ, unread_keys
from mmseg_maskclip.models.weights.load import load_weights
from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.utils import InputError

from helpers.cases import cases
from helpers.configs import CONFIGS, loaded

HEADS = CONFIGS / 'heads'
METHODS = ('clip', 'maskclip', 'sclip', 'clearclip', 'naclip', 'naclip_pamr', 'gem', 'surgery',
           'resclip', 'scclip', 'itaclip')
# Classes, class set of the data set itself.
SETS = {'voc21': (21, 'voc21'), 'context60': (60, 'context60'), 'coco_object': (81, 'coco_object'),
        'voc20': (20, 'voc'), 'cityscapes': (19, 'city'), 'context59': (59, 'context'),
        'ade20k': (150, 'ade'), 'coco_stuff': (171, 'stuff')}
WITH_BACKGROUND = ('voc21', 'context60', 'coco_object')
# Typed from the specification: short side / window / stride; scale; prob_thd; area_thd. Window 0
# is the whole image.
PUBLISHED = {
    'sclip': ('336/224/112; 65; .1; .1', '336/224/112; 50; .1', '336/224/112; 50; .1',
              '336/224/112; 40', '560/224/112; 40', '336/224/112; 40', '336/224/112; 40',
              '448/224/112; 40'),
    'naclip': ('336/0/0; 40; .1', '336/224/112; 40; .1', '336/224/112; 40; .1', '336/0/0; 40',
               '560/224/112; 40', '336/224/112; 40', '336/224/112; 40', '336/224/112; 40'),
    'scclip': ('336/224/112; 50; .15; .1', '336/224/112; 40; .15', '336/224/112; 55; .35',
               '336/224/112; 40', '560/224/112; 40', '336/224/112; 40', '336/224/112; 40',
               '336/224/112; 40'),
    'clearclip': ('448/448/224; 50; .5', '448/448/224; 50; .15', '448/448/224; 50; .4',
                  '448/448/224; 50', '448/224/224; 50', '448/448/224; 50', '448/448/224; 50',
                  '448/448/224; 50'),
    'itaclip': ('336/224/28; 60; .1; .1', '336/224/28; 55; .1', '336/224/28; 50; .1', None,
                '560/224/28; 40', None, None, '448/224/28; 40'),
}
# Threshold of the labels; attention of the second read-out: scale, share of the labels; attention
# of middle blocks: gain, weight.
RESCLIP = ((.5, 2.2, .7, 2., .3), (.3, 1.8, .7, 2., .3), (.11, 1.8, .7, 2., .4),
           (.1, 2.1, .6, 2., .6), (.1, 2.1, .6, 2., .2), (.25, 1.8, .7, 2., .4),
           (.25, 2.1, .7, 2., .3), (.11, 1.8, .7, 2., .4))
REDUCED = dict(type='AttentionReadout', residual=False, ffn=False)
READOUTS = {
    'clip': dict(type='AttentionReadout', pairs='qk'),
    'maskclip': dict(REDUCED, pairs='v'), 'clearclip': dict(REDUCED, pairs='qq'),
    'naclip': dict(REDUCED, pairs='kk', bias=dict(sigma=5.)),
    'naclip_pamr': dict(REDUCED, pairs='kk', bias=dict(sigma=5.)),
    'resclip': dict(REDUCED, pairs='kk', bias=dict(sigma=5.), middle=dict(
        blocks=(6, 7, 8, 9), pairs='qk', gain=2., weight=.3)),
    'sclip': dict(type='AttentionReadout', pairs=['qq', 'kk'], combine='sum'),
    'itaclip': dict(type='AttentionReadout', pairs=['qq', 'kk'], combine='sum', ffn=False,
                    middle=dict(blocks=(7, 8, 10), pairs=['qq', 'kk'], weight=.5)),
    'gem': dict(type='DualPathReadout', blocks=6, attention='gem'),
    'surgery': dict(type='DualPathReadout', blocks=6, attention='vv'),
    'scclip': dict(type='CalibratedReadout'),
}
TOWERS = {'ViT-B/16': 512, 'ViT-L/14': 768}
ITACLIP = {'voc21': .7, 'context60': .75, 'coco_object': .75, 'cityscapes': .7, 'coco_stuff': .75}
LEAVES = sorted(path for path in HEADS.glob('*.py') if not path.stem.endswith('_demo'))
TITLES = dict(zip(('Pascal VOC 21', 'Pascal Context 60', 'COCO-Object', 'Pascal VOC 20',
                   'Cityscapes', 'Pascal Context 59', 'ADE20K', 'COCO-Stuff 164k'), SETS))


def refiners_of(config):
    return {refiner.type: refiner for refiner in config.model.get('refine', ())}


def protocol_of(method, dataset):
    """Its own, and for the sets of which ITACLIP published nothing another."""
    return 'sclip' if method == 'itaclip' and dataset not in ITACLIP else None


def test_the_parts_are_what_was_shipped():
    assert set(part_names('methods')) == set(METHODS) == set(OWN_PROTOCOL)
    assert set(part_names('datasets')) == {*SETS, 'tinyworld'}
    assert set(part_names('protocols')) == {*PUBLISHED, 'tinyworld'} >= set(OWN_PROTOCOL.values())
    assert {path.stem for path in LEAVES} == {
        *(f'resclip_vit16_{name}' for name in SETS),
        *(f'itaclip_vit16_{name}' for name in ITACLIP)}


@cases('method, dataset, clip', itertools.product(METHODS, SETS, TOWERS))
def test_every_method_is_built_for_every_set_and_tower(method, dataset, clip):
    config = compose(method, dataset, protocol_of(method, dataset), clip)
    names, classes = DATASETS.get(config.data.test.type).CLASSES, SETS[dataset][0]
    with torch.device('meta'):
        model = build_segmentor(config.model)
    head, background = model.decode_head, model.refiners.background
    assert len(names) == head.num_classes == len(load_vocabulary(head.vocabulary)) == classes
    assert (model.backbone.fidelity, head.synonyms) == ('clip', 'separate')
    assert (background is not None) == (dataset in WITH_BACKGROUND)
    assert background is None or names[background.label] == 'background'
    assert model.backbone.spec is get_spec(clip) and head.text_channels == TOWERS[clip]


def test_every_method_labels_a_scene_in_its_own_way():
    picture = torch.from_numpy(scene(0, 3).image[:128, :160].copy()).permute(2, 0, 1)[None]
    meta = {'img_shape': (128, 160, 3), 'ori_shape': (100, 125, 3), 'flip': False}
    found = {}
    for method in METHODS:
        config = compose(method, 'tinyworld', clip='TinyViT')
        model = build_model(config, training=False)
        load_weights(model, get_spec('TinyViT').weights)
        with torch.no_grad():
            found[method], = model.eval().simple_test((picture.float() - 120) / 58, [meta])
        assert found[method].shape == (100, 125) and found[method].min() >= 0
        assert found[method].max() < 14
    for (name, labels), (other, others) in itertools.combinations(found.items(), 2):
        assert (labels != others).any(), (name, other)


@cases('method', METHODS)
def test_what_is_composed_can_be_written_and_read(method, tmp_path):
    config = compose(method, 'coco_object', 'sclip')
    path = tmp_path / 'config.py'
    save_config(config, str(path), 'Composed.')
    again = load_config(path)
    assert again._cfg_dict == config._cfg_dict
    assert unread_keys(again) == []


def test_what_a_file_is_made_of_is_in_no_ones_way(tmp_path):
    """Neither in a file that is written down, nor in a composition that is changed."""
    path = tmp_path / 'config.py'
    path.write_text(loaded(HEADS / 'itaclip_vit16_voc21.py').pretty_text)
    assert unread_keys(load_config(path)) == []
    config = compose('itaclip', 'voc21')
    config.model.refine[1].prob_thd = config.model.test_cfg.stride = config.model.views.weight = 0
    config.data.test.pipeline[1].img_scale = config.data.test.pipeline[0].type = 0
    assert config.data.val.pipeline[1].img_scale == (2048, 336)
    assert compose('itaclip', 'voc21').model == loaded(HEADS / 'itaclip_vit16_voc21.py').model
    assert compose('itaclip', 'voc21').data == loaded(HEADS / 'itaclip_vit16_voc21.py').data


@cases('protocol, rows', PUBLISHED.items())
def test_protocols_are_the_published_ones(protocol, rows):
    for dataset, words in zip(SETS, rows):
        if words is None:
            with pytest.raises(InputError, match=f'{protocol!r} says nothing of .*{dataset!r}'):
                compose('sclip', dataset, protocol)
            continue
        config = compose('resclip', dataset, protocol)
        sizes, scale, *thresholds = words.split('; ')
        short, window, stride = map(int, sizes.split('/'))
        assert config.model.test_cfg == (dict(
            mode='slide', crop_size=(window, window), stride=(stride, stride), direct_resize=False)
            if window else dict(mode='whole', direct_resize=False))
        step = config.data.test.pipeline[1]
        assert step.img_scale == (2048, short) and step.transforms[0].keep_ratio and not step.flip
        assert config.data.val.pipeline == config.data.test.pipeline
        assert config.model.feedback.logit_scale == float(scale)
        assert config.model.get('refine', []) == [dict(
            zip(('prob_thd', 'area_thd'), map(float, thresholds)), type='Background', label=0,
            scale=float(scale))][:len(thresholds)]
        own = {'clearclip': SETS[dataset][1], 'itaclip': f'itaclip_{dataset}'}
        assert config.model.decode_head.vocabulary == own.get(protocol, f'sclip_{dataset}')


@cases('path', LEAVES, ids=lambda path: path.stem)
def test_a_file_says_what_its_own_protocol_gives(path):
    method, _, dataset = path.stem.split('_', 2)
    config, composed = loaded(path), compose(method, dataset)
    assert composed.model == config.model and composed.data == config.data
    assert {key: composed[key] for key in composed if key not in ('model', 'data')} == {
        key: config[key] for key in config if key in READ and key not in ('model', 'data')}
    # Nothing of that protocol is left in another one.
    other = compose(method, dataset, 'clearclip')
    assert other.model.test_cfg.crop_size[0] in (448, 224)
    assert [refiner for refiner in other.model.get('refine', ()) if refiner.type != 'Background'
            ] == [refiner for refiner in config.model.get('refine', ())
                  if refiner.type != 'Background']
    for key in ('views', 'backbone'):
        assert other.model.get(key) == config.model.get(key)


def test_settings_of_resclip_and_itaclip_are_the_published_ones():
    for dataset, (threshold, scale, share, gain, weight) in zip(SETS, RESCLIP):
        model = compose('resclip', dataset).model
        assert (model.feedback.min_prob, model.feedback.scale, model.feedback.weight) == (
            threshold, scale, share)
        assert model.backbone.readout.middle == dict(blocks=(6, 7, 8, 9), pairs='qk', gain=gain,
                                                     weight=weight)
    for dataset, weight in ITACLIP.items():
        assert compose('itaclip', dataset).model.views == dict(weight=weight)


def test_methods_are_what_their_papers_say():
    """Read-outs are held to recordings elsewhere; here, which settings stand behind a name."""
    models = {method: compose(method, 'voc21').model for method in METHODS}
    assert {method: dict(model.backbone.readout) for method, model in models.items()} == READOUTS
    positions = {method: model.backbone.positions for method, model in models.items()}
    assert {method for method, value in positions.items() if value != 'plus'} == {'gem', 'surgery'}
    assert (positions['gem'], positions['surgery']) == ('antialias', 'bilinear')
    pads = {method: model.backbone.pad for method, model in models.items()}
    assert {method for method in METHODS if pads[method] == 'drop'} == {
        'naclip', 'naclip_pamr', 'resclip'}
    assert {method for method in METHODS if pads[method] == 'centre'} == {
        'clip', 'maskclip', 'clearclip'}
    assert {method: [refiner.type for refiner in model.refine]
            for method, model in models.items() if len(model.refine) > 1} == {
        'naclip_pamr': ['Pamr', 'Background'], 'itaclip': ['Pamr', 'Background', 'Closing']}
    assert refiners_of(compose('itaclip', 'voc21'))['Pamr'] == dict(
        type='Pamr', iterations=10, dilations=(8, 16))
    assert {method for method, model in models.items()
            if model.decode_head.templates != 'imagenet80'} == {'surgery'}
    # The order of resizing matters where there are no windows.
    whole = {method: compose(method, 'voc21', 'naclip').model.test_cfg for method in METHODS}
    assert all(test_cfg.mode == 'whole' for test_cfg in whole.values())
    assert {method for method, test_cfg in whole.items() if not test_cfg.direct_resize} == {
        'naclip', 'naclip_pamr', 'resclip'}


@cases('wanted, words', [
    (('nacilp', 'voc21'), r"unknown method 'nacilp', did you mean 'naclip'.* one of clearclip, "),
    (('naclip', 'voc12'), r"unknown data set 'voc12', did you mean 'voc2.* tinyworld"),
    (('naclip', 'voc21', 'sclp'), r"unknown protocol 'sclp', did you mean 'sclip'"),
    (('itaclip', 'voc20'), r"which is that of itaclip, .* clearclip, naclip, scclip or sclip"),
    (('naclip', 'tinyworld', 'sclip'), r"'sclip' says nothing of data set 'tinyworld': take "
                                       r'protocol tinyworld'),
    (('naclip', 'voc21', None, 'RN50'), r'RN50 is a ResNet'),
    (('naclip', 'voc21', None, 'ViT-Q/16'), r"unknown CLIP model 'ViT-Q/16'"),
])
def test_what_cannot_be_composed_is_told(wanted, words):
    with pytest.raises(InputError, match=words):
        compose(*wanted)


def test_results_name_what_composes_them():
    models = yaml.safe_load((HEADS / 'metafile.yml').read_text())['Models']
    composed = {model['Name']: model['Compose'] for model in models if 'Compose' in model}
    assert {flags['Method'] for flags in composed.values()} == set(METHODS) - {'surgery'}
    named = set()
    for model in models:
        flags = model.get('Compose')
        for result in model['Results']:
            dataset = TITLES.get(result['Dataset'])
            if 'Config' in result:
                name = Path(result['Config']).stem
                assert name == f"{flags['Method']}_vit16_{dataset}"
                assert model['Metadata']['CLIP'] == 'ViT-B/16'
                named.add(name)
            if flags and dataset:
                choose(flags['Method'], dataset, flags['Protocol'], model['Metadata']['CLIP'])
    assert named == {path.stem for path in LEAVES}
