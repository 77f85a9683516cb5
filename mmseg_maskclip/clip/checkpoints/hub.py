"""Weights that open_clip publishes on the Hugging Face hub, through its own client and cache."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from mmseg_maskclip.clip.spec import ClipSpec
from mmseg_maskclip.utils import InputError, atomic_path, writable_dir

SAFE = '.safetensors'
# As in open_clip, where a repository is named without a file.
_FILES = ('open_clip_model.safetensors', 'open_clip_pytorch_model.bin')
_CONFIG = 'open_clip_config.json'


def download_from_hub(spec: ClipSpec, root: str | Path) -> Path:
    """The weights of a model from the hub's cache, fetched where they are not there yet.

    The client's own environment variables hold: ``HF_HOME`` and
    ``HF_HUB_CACHE`` (where files are kept), ``HF_ENDPOINT`` (a mirror),
    ``HF_HUB_OFFLINE``, ``HF_TOKEN``.

    Args:
        spec: A model with ``hub``.
        root: The folder in which a link to the file is made.

    Returns:
        The link; a copy where the file system has none.

    Raises:
        InputError: If the file is neither in the cache nor can be fetched.
    """
    folder = writable_dir(root, 'download folder')
    name = Path(spec.filename or spec.short_name)
    for suffix in (name.suffix, SAFE):
        if (folder / name).with_suffix(suffix).is_file():
            return (folder / name).with_suffix(suffix)
    found = _fetch_weights(spec)
    target = (folder / name).with_suffix(found.suffix)
    # A link into a cache that was emptied.
    target.unlink(missing_ok=True)
    try:
        target.symlink_to(found.absolute())
    except OSError:
        with atomic_path(target) as temporary:
            shutil.copyfile(found, temporary)
    return target


def _fetch_weights(spec: ClipSpec) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
    )

    repository, _, file = str(spec.hub).rpartition('/')
    names = _FILES if not file else (file,) if file.endswith((SAFE, '.pt')) else (
        str(Path(file).with_suffix(SAFE)), file)
    missing: Exception | None = None
    for name in names:
        try:
            found = _fetch(repository, name)
        except EntryNotFoundError as error:
            missing = missing or error
            unreachable = isinstance(error, LocalEntryNotFoundError) and not (
                constants.HF_HUB_OFFLINE or isinstance(error.__cause__, HfHubHTTPError))
            if unreachable:
                break  # The client has tried for half a minute.
        except Exception as error:
            # Errors of the client, of HTTP and of the file system, which share no base.
            raise InputError(_why(repository, spec, error)) from error
        else:
            with contextlib.suppress(Exception):
                # It tells the activation of the weights; not every repository has one.
                _fetch(repository, _CONFIG)
            return found
    raise InputError(_why(repository, spec, missing)) from missing


def _fetch(repository: str, name: str) -> Path:
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(repository, name))


def _why(repository: str, spec: ClipSpec, error: Exception | None) -> str:
    """What went wrong and what helps, as sentences."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )
    again = f'Run again: bash download_weights.sh {spec.name}'
    what = f'the weights of {spec.name} ({repository} on {constants.ENDPOINT})'
    if constants.HF_HUB_OFFLINE:
        return (f'{what} are not in the cache {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE is set: '
                f'unset it, or copy the cache of a machine that has them. {again}')
    if isinstance(error, GatedRepoError):
        return (f'{what} are given to those who accept their terms: do so on the page of the '
                f'repository and set HF_TOKEN. {again}')
    if isinstance(error, RepositoryNotFoundError):
        return f'{what} were not found there, or only with a login: set HF_TOKEN. {again}'
    if isinstance(error, LocalEntryNotFoundError) and not isinstance(
            error.__cause__, HfHubHTTPError):
        return (f'{what} can not be reached and are not in the cache {constants.HF_HUB_CACHE}: '
                f'check the network, or set HF_ENDPOINT to a mirror. {again}')
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return f'{what} could not be downloaded ({first[:200]}). {again}'
