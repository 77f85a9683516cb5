import re

from docs.metafile import fill_tables, read_metafile
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


def test_every_published_figure_has_a_source():
    models = read_metafile(ROOT / 'configs/maskclip/metafile.yml')
    assert len(models) == 11


def test_unknown_flag_is_an_error(call_tool):
    assert_bad_input(call_tool('tools/update_tables.py', '--nothing'), '--nothing')
