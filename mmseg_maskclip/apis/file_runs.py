"""Label many picture files: resumable, shared between processes, in the forms other tools read."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Iterable, Mapping, Optional, Sequence, Tuple

from mmseg_maskclip import __version__
from mmseg_maskclip.apis.exported import ExportedPredictor
from mmseg_maskclip.formats import require_formats
from mmseg_maskclip.portable.bank import DEFAULT
from mmseg_maskclip.portable.listing import PictureFile, Sources, list_pictures
from mmseg_maskclip.portable.results import (
    FileState,
    ResultFolder,
    file_name_of,
    state_of,
    why_no_results,
)
from mmseg_maskclip.utils import (
    InputError,
    in_background,
    progress_bar,
    require_number,
    writable_dir,
)
from mmseg_maskclip.utils.files import PathLike
from mmseg_maskclip.utils.records import versions

if TYPE_CHECKING:
    from mmseg_maskclip.apis.predictor import Predictor
    from mmseg_maskclip.apis.segmentation import Segmentation
    from mmseg_maskclip.engine.predict.contrast import Contrast
    from mmseg_maskclip.engine.predict.words import Words
    from mmseg_maskclip.portable.processes import OneProcess

_LOG = logging.getLogger('mmseg')
Pending = Dict[str, Tuple[PictureFile, Optional[FileState]]]


@dataclass
class Summary:
    """What a run over files has done, all its processes together.

    Attributes:
        folder: Where the results are.
        pictures: How many there are.
        done_before: How many of them had results of the same settings.
        unreadable: Why pictures were left out, by their paths; in the main process alone.
        merged: Files of all pictures that were written; in the main process alone.
        only: The record of the picture, where there is one alone; in the main process alone.
        seconds: How long it took.
    """

    folder: Path
    pictures: int
    done_before: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    merged: list[Path] = field(default_factory=list)
    only: Optional[dict[str, Any]] = None
    seconds: float = 0.0

    @property
    def written(self) -> int:
        """How many pictures were labelled now."""
        return self.pictures - self.done_before - len(self.unreadable)


def predict_files(predictor: Predictor | ExportedPredictor, sources: Sources,
                  words: Words | None = None, out: PathLike = 'work_dirs/predict', *,
                  formats: Sequence[str] = ('png',), overlay: bool = False, opacity: float = 0.5,
                  threshold: float = 0.0, contrast: Contrast = DEFAULT, batch_size: int = 1,
                  resume: bool = True, progress: bool = True) -> Summary:
    """Label the pictures of files, folders, patterns and lists, and write the results.

    Beside the results of each picture lies a record of what was found in it and of what made
    it. A picture is skipped if it was labelled with the same settings, and its file has not
    changed since. Files that can't be read are left out. In a run of several processes each
    takes its share, and the main one merges; there is no merged file until a run is through.

    Args:
        predictor: The model, or an exported one, whose words are those of its bank.
        sources: As for :func:`list_pictures`.
        words: As for :meth:`Predictor.predict`.
        out: Folder of the results.
        formats: Keys of ``formats.FORMATS``.
        overlay: Whether to draw the labels over the pictures, too.
        opacity: Of the drawn labels, in (0, 1].
        threshold: Pixels of a lower confidence are none of the words.
        contrast: As for :meth:`Predictor.predict`.
        batch_size: As for :meth:`Predictor.predict_many`.
        resume: Whether to skip what is done.
        progress: Whether to show a bar.

    Raises:
        InputError: If any user input is wrong, or none of the pictures can be read.
    """
    require_number(opacity, 'opacity', above=0, maximum=1)
    formats = require_formats(formats)
    folder = writable_dir(out, 'output folder')
    files = list_pictures(sources, leave_out=folder)
    group = predictor.processes
    # Checks the words, before anything is removed; the others find their embeddings cached.
    with group.main_first():
        settings = _settings(predictor, words, contrast, threshold)
    results = ResultFolder(folder, formats, opacity if overlay else None, settings)
    results.require_apart(files)
    pending, skipped = _pending(files, results, resume, group)
    found = predictor.predict_many(
        [file.path for file, _ in pending.values()], words, threshold=threshold,
        contrast=contrast, batch_size=batch_size, progress=False,
        skipped=skipped) if pending else ()
    return _run(found, skipped, files, pending, results, progress, group)


def _run(found: Iterable[Segmentation], skipped: list[tuple[str, str]],
         files: Sequence[PictureFile], pending: Pending, results: ResultFolder,
         progress: bool, group: OneProcess) -> Summary:
    """Write the results as they come, and merge."""
    started = time.time()
    total = group.total(len(pending) + len(skipped))
    summary = Summary(results.folder, len(files), len(files) - total)
    if not total and results.is_complete(files):
        summary.only = _only(files, results)
        return summary
    with group.main_first():
        if group.is_main:
            results.open()
    shown = progress and group.is_main
    with progress_bar(total, 'predict', 'picture', shown=shown) as bar:
        _write_all(found, pending, skipped, results, bar, group.world)
    summary.unreadable = group.merge(dict(skipped), results.folder) or {}
    if group.is_main:
        _finish(summary, files, results, started, shown, group.world)
    return summary


def _settings(predictor: Predictor | ExportedPredictor, words: Words | None, contrast: Contrast,
              threshold: float) -> dict[str, Any]:
    """All that decides about results but the pictures."""
    if isinstance(predictor, ExportedPredictor):
        return {**predictor.deciding(words, contrast), 'threshold': threshold,
                'version': __version__}
    classes = predictor._classes(words, contrast, threshold)
    # A file of weights counts by its content, wherever it lies.
    model = {key: value for key, value in predictor.settings.items()
             if key not in ('weights', 'clip_weights')}
    contrast = predictor._contrast if _is_default(contrast) else contrast
    return {'model': model, 'text_sha256': classes.text_sha256,
            'words': _plain(words) or predictor.names, 'palette': classes.palette,
            'contrast_set': predictor.contrast if _is_default(contrast) else _plain(contrast),
            'threshold': threshold, 'version': __version__}


def _is_default(contrast: Contrast) -> bool:
    return isinstance(contrast, str) and contrast == DEFAULT


def _plain(words: Any) -> Any:
    """Words as they count, in whatever form or file they were given."""
    if not words or isinstance(words, Mapping):
        return words
    from mmseg_maskclip.clip import load_vocabulary

    return load_vocabulary(words).entries


def _pending(files: Sequence[PictureFile], results: ResultFolder, resume: bool,
             group: OneProcess) -> tuple[Pending, list[tuple[str, str]]]:
    """This process's share of what is to be done, by paths, and (path, why) of what can't be."""
    found, left_out = {}, []
    for file in files[group.rank::group.world]:
        reason = why_no_results(file)
        if reason:
            _LOG.warning('left out: %s', reason)
            left_out.append((file.path, reason))
            continue
        # Before it is read: a picture that is changed meanwhile counts as another.
        state = state_of(file.path)
        if not (resume and results.is_done(file, state)):
            found[file.path] = (file, state)
    return found, left_out


def _write_all(found: Iterable[Segmentation], pending: Pending, skipped: list[tuple[str, str]],
               results: ResultFolder, bar: Any, world: int) -> None:
    """Write results as they come, in a thread: the model goes on."""
    with in_background() as hand_over:
        for number, segmentation in enumerate(found, 1):
            hand_over(_write, segmentation, *pending[str(segmentation.path)], results)
            # The bar counts all processes, of which the others are about as far.
            bar.update(min(world * (number + len(skipped)), bar.total) - bar.n)
    for path, _ in skipped:
        if path in pending:
            results.forget(pending[path][0].name)
    bar.update(bar.total - bar.n)


def _write(segmentation: Segmentation, file: PictureFile, state: FileState | None,
           results: ResultFolder) -> None:
    drawing = None if results.opacity is None else segmentation.overlay(results.opacity)
    results.write(file, state, segmentation.to_picture(file_name_of(file)), drawing, {
        'size': segmentation.labels.shape, 'areas': segmentation.areas,
        'best_confidence': segmentation.best_confidence, 'presence': segmentation.presence,
        'contrast': segmentation.settings.get('contrast')})


def _finish(summary: Summary, files: Sequence[PictureFile], results: ResultFolder,
            started: float, shown: bool, world: int) -> None:
    reasons = list(summary.unreadable.values())
    if len(reasons) == len(files):
        raise InputError(reasons[0] if len(files) == 1 else
                         f'none of {len(files)} pictures could be read, the last one: '
                         f'{reasons[-1]}')
    counts = {'pictures': summary.pictures, 'written': summary.written,
              'done_before': summary.done_before}
    summary.merged = results.close(files, summary.unreadable, {
        **counts, 'processes': world, 'versions': versions()}, shown)
    summary.only = _only(files, results)
    summary.seconds = time.time() - started


def _only(files: Sequence[PictureFile], results: ResultFolder) -> dict[str, Any] | None:
    return results.record(files[0].name) if len(files) == 1 else None
