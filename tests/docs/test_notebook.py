"""The notebook, run from its first cell to its last."""

import json

import pytest

from helpers.tools import ROOT

NOTEBOOK = ROOT / 'notebooks/predict.ipynb'


def _results(notebook):
    """What the code cells show, pictures by their kind alone."""
    found = []
    for cell in notebook['cells']:
        for output in cell.get('outputs', []):
            shown = output['data']
            found.append('a picture' if 'image/png' in shown else ''.join(shown['text/plain']))
    return found


@pytest.mark.slow
def test_the_notebook_shows_what_is_stored_in_it(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv('MASKCLIP_CACHE', str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name='python3',
                   resources={'metadata': {'path': str(tmp_path)}}).execute()
    for cell in notebook.cells:
        cell['outputs'] = [output for output in cell.get('outputs', [])
                           if output.get('name') != 'stderr']
    found, stored = _results(notebook), _results(json.loads(NOTEBOOK.read_text()))
    assert found == stored and len(stored) == 9
