"""Settings at a config's top level that nothing reads: misspelt, or overridden in vain."""

from __future__ import annotations

import ast
import difflib
import re
from pathlib import Path
from typing import Any, Iterator, Mapping

from mmcv import Config
from mmcv.utils import print_log

# What training, testing, mmcv and mmseg read.
READ = ('model', 'data', 'work_dir', 'load_from', 'resume_from', 'cudnn_benchmark', 'fp16', 'seed',
        'mp_start_method', 'opencv_num_threads', 'omp_num_threads', 'mkl_num_threads',
        'evaluation', 'optimizer', 'optimizer_config', 'lr_config', 'momentum_config', 'runner',
        'workflow', 'checkpoint_config', 'log_config', 'custom_hooks', 'custom_imports',
        'dist_params', 'log_level', 'test_cfg', 'train_cfg', 'total_batch_size',
        'accumulative_counts', 'find_unused_parameters')
# Variables by which configs of mmseg and of this project say a thing once. A base defines them for
# all that derive from it, and mmcv keeps them in the config it writes down.
_HELPERS = re.compile(r'dataset_type|data_root|img_norm_cfg|norm_cfg|crop_size|img_scale|'
                      r'num_classes|vocabulary|unseen|\w*_pipeline|protocol|pamr|closing')
_SHOWN = 2
_FROM_BASE = re.compile(r'\{\{\s*_base_\.(\w+)')


def warn_of_unread(config: Config) -> None:
    """Log a line for each key at the top level of a config that has no effect.

    Args:
        config: As it was read from a file.
    """
    for key, file in unread_keys(config):
        print_log(f'{file}: nothing reads {key!r}{hint_for(config, key)}', 'mmseg', level=30)


def hint_for(config: Config, key: str) -> str:
    """The end of a sentence that says what is meant, or can be set, instead of a key.

    Args:
        config: The config.
        key: A key at its top level that has no effect.
    """
    near = difflib.get_close_matches(key, READ, n=1)
    if near:
        return f', did you mean {near[0]!r}?'
    places = [f'{root}.{place}' for root in READ for place in _places(config.get(root), key)]
    return f': set {", ".join(places[:_SHOWN])}.' if places else '.'


def _places(settings: Any, key: str) -> Iterator[str]:
    """Dotted names of the settings of a name, at any depth."""
    items = (settings.items() if isinstance(settings, Mapping)
             else enumerate(settings) if isinstance(settings, (list, tuple)) else ())
    for name, value in items:
        if name == key:
            yield str(name)
        else:
            yield from (f'{name}.{place}' for place in _places(value, key))


def unread_keys(config: Config) -> list[tuple[str, str]]:
    """Keys at the top level of a config that have no effect, each with its file.

    A variable counts as read where its own file uses it, or one that derives
    from that file by ``{{_base_.name}}``. Setting it again in a deriving file
    changes nothing of what the base made of it.

    Args:
        config: As it was read from a file; nothing is known of another.
    """
    if not config.filename or not Path(config.filename).is_file():
        return []
    found: dict[str, str] = {}
    for source, used_above in _chain(Path(config.filename)):
        for name in source.names:
            if name in config and name not in found and not source.reads(name, used_above):
                found[name] = source.path.name
    return sorted(found.items())


class _Source:
    """What a config file sets and uses at its top level."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = path.read_text(encoding='utf-8') if path.suffix == '.py' else ''
        self.from_base = set(_FROM_BASE.findall(text))
        tree = ast.parse(text)
        found = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        self.used = {node.id for node in found if isinstance(node.ctx, ast.Load)}
        self.names = {node.id for node in found if isinstance(node.ctx, ast.Store)} - {'_base_'}
        self.bases: list[str] = []
        for statement in tree.body:
            if isinstance(statement, ast.Assign) and '_base_' in map(ast.unparse,
                                                                     statement.targets):
                bases = ast.literal_eval(statement.value)
                self.bases = [bases] if isinstance(bases, str) else list(bases)

    def reads(self, name: str, used_above: frozenset[str]) -> bool:
        """Whether anything reads what this file says of a name."""
        if name in READ or name in self.used or name in used_above or name.startswith('_'):
            return True
        return not self.bases and _HELPERS.fullmatch(name) is not None


def _chain(path: Path, used_above: frozenset[str] = frozenset()
           ) -> Iterator[tuple[_Source, frozenset[str]]]:
    """A config file and all it derives from, with what deriving files use of each."""
    try:
        source = _Source(path)
    except (SyntaxError, ValueError):
        # mmcv has read it: it holds a placeholder that is no Python before mmcv fills it in.
        return
    yield source, used_above
    for base in source.bases:
        yield from _chain(path.parent / base, used_above | source.from_base)
