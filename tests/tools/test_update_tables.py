import re

import pytest
import torch

from mmseg_maskclip.engine.config import load_config
from mmseg_maskclip.engine.cost import measure_cost
from mmseg_maskclip.utils import InputError

from docs.metafile import fill_tables, read_metafile
from helpers.cases import cases
from helpers.tools import ROOT, assert_bad_input


def test_shipped_documents_are_up_to_date(call_tool):
    done = call_tool('tools/update_tables.py', '--check')
    assert done.returncode == 0, done.stdout


def test_table_is_made_from_the_metafile(tmp_path):
    (tmp_path / 'docs').mkdir()
    (tmp_path / 'meta.yml').write_text(
        'Models:\n- Name: a\n  Metadata: {CLIP: RN50}\n  Config: configs/a.py\n  Results:\n'
        '  - {Dataset: VOC, Source: a log, Metrics: {mIoU: 1.5}}\n')
    document = tmp_path / 'docs' / 'page.md'
    document.write_text('before\n<!-- table: meta.yml -->\nstale\n<!-- end of table -->\nafter\n')
    text = re.sub(' +', ' ', fill_tables(document, tmp_path))
    assert '| RN50 | VOC | 1.5 | a log | [a](../configs/a.py) |' in text
    assert 'stale' not in text and text.startswith('before') and text.endswith('after\n')


HEADS = ROOT / 'configs/heads/metafile.yml'


def test_methods_stand_beside_each_other_with_the_source_of_each_number(tmp_path):
    (tmp_path / 'docs').mkdir()
    (tmp_path / 'meta.yml').write_text(
        'Models:\n- Metadata: {CLIP: B, Method: A, Protocol: no PAMR}\n  Results:\n'
        '  - {Dataset: ADE20K, Source: x, Metrics: {mIoU: 2.0}, Second-hand: true}\n'
        '  - {Dataset: Pascal VOC 21, Source: y, Metrics: {mIoU: 1.5}, Config: configs/a.py}\n'
        '- Metadata: {CLIP: C, Method: Z}\n  Config: configs/z.py\n  Results:\n'
        '  - {Dataset: ADE20K, Source: x, Metrics: {mIoU: 3.0}}\n'
        '  - {Dataset: Own, Source: x, Metrics: {mIoU: 4}, Second-hand: true}\n')
    document = tmp_path / 'docs' / 'page.md'
    document.write_text('<!-- methods: meta.yml of B -->\nstale\n<!-- end of table -->\nbetween\n'
                        '<!-- methods: meta.yml of B, C -->\n<!-- end of table -->\nafter\n')
    one, both = re.sub(' +', ' ', fill_tables(document, tmp_path)).split('between')
    assert '| method | VOC 21 | ADE20K |\n' in one and 'stale' not in one
    assert '| A, no PAMR | [1.5](../configs/a.py)<sup>b</sup> | *2.0*<sup>a</sup> |' in one
    assert one.endswith('- a, second-hand: x\n- b: y\n<!-- end of table -->\n')
    assert '| method | CLIP | VOC 21 | ADE20K | Own |\n' in both
    # The same source is second-hand for one method and not for the other.
    assert ('| Z | C | | [3.0](../configs/z.py)<sup>c</sup> | *[4](../configs/z.py)*<sup>a</sup> |'
            in both)
    assert both.endswith('- b: y\n- c: x\n<!-- end of table -->\nafter\n')
    document.write_text('<!-- methods: meta.yml of B, D -->\n<!-- end of table -->\n')
    with pytest.raises(InputError, match='no model of CLIP D'):
        fill_tables(document, tmp_path)


def test_results_of_the_training_free_methods_are_all_shown_and_add_up():
    models = read_metafile(HEADS)
    numbers = sum(len(model['Results']) for model in models)
    shown = (HEADS.parent / 'README.md').read_text()
    assert shown.count('<sup>') == numbers >= 242
    for model in models:
        results = {result['Dataset']: result['Metrics']['mIoU'] for result in model['Results']}
        assert len(results) == len(model['Results']), model['Name']
        mean = results.pop('mean of the eight', None)
        if mean is not None:
            digits = len(str(mean).split('.')[1])
            # A mean of rounded numbers: half a digit of each, and of the mean itself.
            assert len(results) == 8
            assert abs(sum(results.values()) / 8 - mean) <= 10 ** -digits, model['Name']


def test_costs_stand_beside_the_models_that_state_them(tmp_path):
    (tmp_path / 'docs').mkdir()
    numbers = 'Input: 8x8, Params (M): 1.5, Learned (M): 0.00, MACs (G): 2.0'
    meta = ('Models:\n- {Name: a, Config: configs/a.py, Metadata: {CLIP: B, Student: S, '
            f'Complexity: {{{numbers}}}}}}}\n'
            '- {Name: b, Config: configs/b.py, Metadata: {CLIP: C}}\n')
    (tmp_path / 'meta.yml').write_text(meta)
    document = tmp_path / 'docs' / 'page.md'
    document.write_text('<!-- cost: meta.yml -->\nstale\n<!-- end of table -->\nafter\n')
    text = re.sub(' +', ' ', fill_tables(document, tmp_path))
    assert '| CLIP | student | input | Params (M) | Learned (M) | MACs (G) | config |' in text
    assert '| B | S | 8x8 | 1.50 | 0.00 | 2.00 | [a](../configs/a.py) |' in text
    assert 'stale' not in text and '| C |' not in text and text.endswith('-->\nafter\n')
    (tmp_path / 'meta.yml').write_text(meta.replace(', MACs (G): 2.0', ''))
    with pytest.raises(InputError, match=r"of a lacks 'MACs \(G\)'"):
        fill_tables(document, tmp_path)
    (tmp_path / 'meta.yml').write_text(meta.replace('Complexity', 'Other'))
    with pytest.raises(InputError, match='no model with Complexity'):
        fill_tables(document, tmp_path)


@cases('folder, name', [
    ('maskclip', 'maskclip_r50_512x512_voc12aug_20'),
    ('maskclip', 'maskclip_vit16_512x512_voc12aug_20'),
    ('maskclip_plus', 'maskclip_plus_vit16_segformer_b0_480x480_8k_pascal_context_59'),
    ('zegclip', 'zegclip_vit16_512x512_20k_voc12aug_20'),
    ('zegclip', 'zegclip_vit16_512x512_40k_pascal_context_59')])
def test_stated_costs_are_those_that_the_tool_counts(folder, name):
    model = next(model for model in read_metafile(ROOT / 'configs' / folder / 'metafile.yml')
                 if model['Name'] == name)
    stated = model['Metadata']['Complexity']
    shape = tuple(map(int, stated['Input'].split('x')))
    total = measure_cost(load_config(ROOT / model['Config']), shape, torch.device('meta')).total
    assert [stated['Params (M)'], stated['Learned (M)'], stated['MACs (G)']] == [
        round(total.parameters / 1e6, 2), round(total.learned / 1e6, 2),
        round(total.macs / 1e9, 2)]


def test_every_published_figure_has_a_source():
    models = read_metafile(ROOT / 'configs/maskclip/metafile.yml')
    assert len(models) == 11


def test_unknown_flag_is_an_error(call_tool):
    assert_bad_input(call_tool('tools/update_tables.py', '--nothing'), '--nothing')
