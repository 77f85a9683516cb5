"""The table of read-outs on the embedded world."""

from __future__ import annotations

from tinyworld.readout_table import METHODS, markdown, method_config, readout_rows


def test_rows_are_methods_in_windows_and_whole(tiny_world, tmp_path):
    rows = list(readout_rows(tiny_world, tmp_path, ['TinyViT'],
                             ['maskclip_full', 'maskclip', 'resclip']))
    # ResCLIP looks into middle blocks, of which the tower has none.
    assert [row['method'] for row in rows] == ['MaskCLIP', 'MaskCLIP, reduced tail']
    for row in rows:
        assert 10 < row['windows'] < 90 and row['windows'] != row['whole']
    assert rows[0]['windows'] != rows[1]['windows']
    assert markdown(rows).splitlines()[2].startswith('| TinyViT | MaskCLIP ')


def test_every_method_has_a_config_in_windows_of_the_pretraining_size():
    for method in METHODS:
        config = method_config(method, 'TinyViT8')
        assert config.model.test_cfg.crop_size == (128, 128)
    readouts = [method_config(name, 'TinyViT8').model.backbone.readout
                for name in ('maskclip_full', 'maskclip')]
    assert [(one.residual, one.ffn) for one in readouts] == [(True, True), (False, False)]
