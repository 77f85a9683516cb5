"""Every shipped config loads, builds, dumps and loads again."""

from pathlib import Path

import pytest
import torch
import yaml
from mmcv import Config
from mmseg.datasets import DATASETS
from mmseg.datasets.pipelines import Compose

from mmseg_maskclip.apis.build import build_model
from mmseg_maskclip.apis.config import load_config
from mmseg_maskclip.apis.metafile import fill_tables
from mmseg_maskclip.clip import load_vocabulary

ROOT = Path(__file__).parents[1]
LEAVES = sorted(path for path in (ROOT / 'configs').glob('*/**/*.py')
                if '_base_' not in path.parts)
PUBLISHED = [f'maskclip_{model}_{rest}.py' for model in ('r50', 'r50x16', 'vit16') for rest in (
    '512x512_voc12aug_20', '512x512_voc12aug', '520x520_pascal_context_59',
    '520x520_pascal_context', '512x512_coco-stuff164k', '512x512_ade20k',
    '1024x512_cityscapes')]
METAFILES = sorted((ROOT / 'configs').glob('*/metafile.yml'))


def test_the_list_is_what_was_shipped():
    names = {path.name for path in LEAVES}
    assert set(PUBLISHED) <= names
    assert len(LEAVES) >= 36
    assert len(METAFILES) >= 2


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_loads_builds_dumps_and_loads_again(path, tmp_path):
    config = load_config(str(path))
    with torch.device('meta'):
        model = build_model(config)
    dataset = DATASETS.get(config.data.test.type)
    classes = config.data.test.get('classes') or dataset.CLASSES
    vocabulary = load_vocabulary(config.model.decode_head.vocabulary)
    assert len(vocabulary.class_names) == len(classes) == model.decode_head.num_classes
    for part in ('train', 'val', 'test'):
        settings = config.data[part]
        for one in settings if isinstance(settings, list) else [settings]:
            Compose(one.pipeline)
    copy = tmp_path / 'copy.py'
    config.dump(str(copy))
    assert Config.fromfile(str(copy))._cfg_dict == config._cfg_dict


@pytest.mark.parametrize('path', LEAVES, ids=lambda path: path.stem)
def test_is_a_short_leaf(path):
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    assert len(lines) <= 15
    assert 'pipeline = [' not in path.read_text()


@pytest.mark.parametrize('path', METAFILES, ids=lambda path: path.parent.name)
def test_metafile_names_configs_that_exist(path):
    for model in yaml.safe_load(path.read_text())['Models']:
        assert (ROOT / model['Config']).is_file()
        assert all(result['Source'] for result in model['Results'])


def test_scales_say_what_their_names_say():
    for path in LEAVES:
        name = path.stem
        scale = load_config(str(path)).data.test.pipeline[1].img_scale
        if '512x512' in name:
            assert scale == (2048, 512), name
        if '520x520' in name:
            assert scale == (520, 520), name
        if '1024x512' in name:
            assert scale == (1024, 512), name


def test_tables_in_the_documents_are_up_to_date():
    documents = [ROOT / 'README.md', *(ROOT / 'docs').glob('*.md'),
                 *(ROOT / 'configs').glob('*/README.md')]
    stale = [path.name for path in documents
             if fill_tables(path, ROOT) != path.read_text(encoding='utf-8')]
    assert not stale, 'run: python tools/update_tables.py'
