"""Tables in the documentation, made from the metafiles beside the configs."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from mmseg_maskclip.utils import InputError, atomic_path, require_file

from docs.cost import cost_table
from docs.methods import methods_table
from docs.tables import markdown_table

# What tells models apart beside their CLIP; each has a column where a model states it.
_COLUMNS = ('Student', 'Setting', 'Parameters')
# "table": a row a model. "methods": a row a method, of the CLIP models named behind the file.
# "cost": a row a model whose parameters and multiply-adds are stated.
_BLOCK = re.compile(r'(<!-- (?:table: (?P<file>\S+)|methods: (?P<wide>\S+) of (?P<towers>[^\n]+)|'
                    r'cost: (?P<cost>\S+)) -->\n).*?(<!-- end of table -->)', re.DOTALL)


def read_metafile(path: Path) -> list[dict]:
    """The models of a metafile.

    Args:
        path: ``configs/*/metafile.yml``.

    Returns:
        One dict a model, as written there.

    Raises:
        InputError: If the file is missing or is not a metafile.
    """
    require_file(path, 'metafile')
    content = yaml.safe_load(path.read_text(encoding='utf-8'))
    if not isinstance(content, dict) or not content.get('Models'):
        raise InputError(f'metafile {path} lists no Models.')
    return content['Models']


def models_table(models: list[dict], link_root: str) -> str:
    """A Markdown table: model, data set, metrics, source, config.

    What tells the models apart beside their CLIP has a column where it is
    stated: the student, the setting it is trained in, its parameters.

    Args:
        models: What :func:`read_metafile` returns.
        link_root: What leads from the document to the project's root.
    """
    results = [(model, result) for model in models for result in model['Results']]
    metrics = list(dict.fromkeys(name for _, result in results for name in result['Metrics']))
    metadata = ['CLIP', *(key for key in _COLUMNS
                          if any(key in model['Metadata'] for model in models))]
    header = ['CLIP', *(key.lower() for key in metadata[1:]), 'data set', *metrics, 'from',
              'config']
    return markdown_table(header, (
        [*(model['Metadata'].get(key, '') for key in metadata), result['Dataset'],
         *(str(result['Metrics'].get(name, '')) for name in metrics), result['Source'],
         f"[{Path(model['Config']).stem}]({link_root}{model['Config']})"]
        for model, result in results))


def fill_tables(document: Path, root: Path) -> str:
    """A document with every block of a table made anew.

    A block starts with ``<!-- table: METAFILE -->``, ``<!-- cost: METAFILE
    -->`` or ``<!-- methods: METAFILE of CLIP, CLIP -->``.

    Args:
        document: A Markdown file below ``root``.
        root: The project's root; metafiles are named relative to it.

    Returns:
        The document's new text.
    """
    link_root = '../' * (len(document.relative_to(root).parts) - 1)

    def fill(match: re.Match) -> str:
        models = read_metafile(root / (match['file'] or match['cost'] or match['wide']))
        if match['towers']:
            table = methods_table(models, match['towers'].split(', '), link_root)
        else:
            table = (models_table if match['file'] else cost_table)(models, link_root)
        return match[1] + table + match[6]

    return _BLOCK.sub(fill, document.read_text(encoding='utf-8'))


def update_tables(root: Path, check: bool) -> list[Path]:
    """Rewrite the tables of all documents.

    Args:
        root: The project's root.
        check: Only look, write nothing.

    Returns:
        Documents whose tables were out of date.
    """
    documents = [root / 'README.md', *sorted((root / 'docs').glob('*.md')),
                 *sorted((root / 'configs').glob('*/README.md'))]
    stale = []
    for document in documents:
        text = fill_tables(document, root)
        if text == document.read_text(encoding='utf-8'):
            continue
        stale.append(document)
        if not check:
            with atomic_path(document) as name:
                name.write_text(text, encoding='utf-8')
    return stale
