"""Wide tables: a row a method, a column a data set."""

from __future__ import annotations

from typing import Sequence

from mmseg_maskclip.utils import InputError

from docs.tables import markdown_table

# Those with a background class first, as the papers print them; others stand behind them.
_DATASETS = {'Pascal VOC 21': 'VOC 21', 'Pascal Context 60': 'Context 60',
             'COCO-Object': 'COCO-Object', 'Pascal VOC 20': 'VOC 20', 'Cityscapes': 'Cityscapes',
             'Pascal Context 59': 'Context 59', 'ADE20K': 'ADE20K',
             'COCO-Stuff 164k': 'COCO-Stuff'}
_LETTERS = 'abcdefghijklmnopqrstuvwxyz'


def methods_table(models: Sequence[dict], towers: Sequence[str], link_root: str) -> str:
    """A Markdown table of the mIoU of methods, and where each number is from.

    A small letter behind a number names its source; second-hand ones are in
    italics, and one that a config is there for links to it.

    Args:
        models: Of a metafile, each with ``Method`` in its metadata.
        towers: The CLIP models whose results are shown.
        link_root: What leads from the document to the project's root.

    Raises:
        InputError: If there is no model of a tower.
    """
    shown = [model for model in models if model['Metadata']['CLIP'] in towers]
    missing = set(towers) - {model['Metadata']['CLIP'] for model in shown}
    if missing:
        raise InputError(f'the metafile has no model of CLIP {min(missing)}.')
    found = dict.fromkeys(result['Dataset'] for model in shown for result in model['Results'])
    datasets = [name for name in _DATASETS if name in found]
    datasets += [name for name in found if name not in _DATASETS]
    sources: dict[tuple[str, bool], str] = {}
    rows = []
    for model in shown:
        cells = {result['Dataset']: _cell(result, result.get('Config', model.get('Config')),
                                          sources, link_root) for result in model['Results']}
        rows.append([_called(model), *([model['Metadata']['CLIP']] if len(towers) > 1 else []),
                     *(cells.get(name, '') for name in datasets)])
    header = ['method', *(['CLIP'] if len(towers) > 1 else []),
              *(_DATASETS.get(name, name) for name in datasets)]
    return f'{markdown_table(header, rows)}\n{_legend(sources)}\n'


def _called(model: dict) -> str:
    metadata = model['Metadata']
    return ', '.join(metadata[key] for key in ('Method', 'Protocol') if key in metadata)


def _cell(result: dict, config: str | None, sources: dict[tuple[str, bool], str],
          link_root: str) -> str:
    second_hand = result.get('Second-hand', False)
    letter = sources.setdefault((result['Source'], second_hand), _LETTERS[len(sources)])
    value = str(result['Metrics']['mIoU'])
    if config:
        value = f'[{value}]({link_root}{config})'
    return f'{f"*{value}*" if second_hand else value}<sup>{letter}</sup>'


def _legend(sources: dict[tuple[str, bool], str]) -> str:
    lines = [f'- {letter}{", second-hand" if second_hand else ""}: {source}'
             for (source, second_hand), letter in sources.items()]
    return '\n'.join(lines)
