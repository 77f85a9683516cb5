"""Downloads with progress, resume and a checksum; standard library alone."""

from __future__ import annotations

import http.client
import logging
import os
import socket
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import BinaryIO

from mmseg_maskclip.clip.checkpoints.hub import download_from_hub
from mmseg_maskclip.clip.spec import ClipSpec
from mmseg_maskclip.clip.zoo import how_to_get
from mmseg_maskclip.utils import InputError, sha256_of, writable_dir

BASE_URL = 'MASKCLIP_BASE_URL'
_CHUNK = 1 << 18
_TIMEOUT = 30
_ATTEMPTS = 3
_PARTIAL = 206
_NO_MORE = 416
_LOG = logging.getLogger('mmseg')
# Before Python 3.10 a socket's timeout was an error of its own.
_BROKEN = (http.client.HTTPException, ConnectionError, TimeoutError, socket.timeout)


def download_clip(spec: ClipSpec, root: str | Path = 'pretrain', progress: bool = True,
                  again: str = '', replace: bool = False) -> Path:
    """The published checkpoint of a model, downloaded where it is not there yet.

    Args:
        spec: The model.
        root: The folder it goes to.
        progress: Whether to show a progress bar.
        again: The command that repeats the download, for error messages.
        replace: Whether another file of that name is downloaded anew, with a warning, instead
            of being an error.

    Returns:
        The file, ``{root}/{spec.filename}``; what comes from the hub may be
        named ``.safetensors`` instead.

    Raises:
        InputError: If the model has no published file, the host can't be
            reached, or what came is not the published file.
    """
    if spec.url is None and spec.hub is not None:
        return download_from_hub(spec, root)
    url, filename = published_file(spec)
    target = writable_dir(root, 'download folder') / filename
    command = again or f'bash download_weights.sh {spec.name}'
    if target.is_file():
        if spec.sha256 is None or _fits(target, spec.sha256):
            return target
        if replace:
            _LOG.warning('%s is not the published file of %s, by its SHA-256: it is downloaded '
                         'again', target, spec.name)
            return download_file(url, target, spec.sha256, command, progress)
        raise InputError(f'{target} is not the published file of {spec.name}: expected a SHA-256 '
                         f'that starts with {spec.sha256[:12]}, got {sha256_of(target)[:12]}; '
                         f'move it away, then run: {command}')
    return download_file(url, target, spec.sha256, command, progress)


def published_file(spec: ClipSpec) -> tuple[str, str]:
    """The published file of a model: where it is fetched from, and its name.

    ``MASKCLIP_BASE_URL`` names a mirror to be used in place of the official host.

    Args:
        spec: The model.

    Raises:
        InputError: If the model has no published file.
    """
    if spec.url is None or spec.filename is None:
        raise InputError(f'{spec.name} has no file to download. {how_to_get(spec)}')
    base = os.environ.get(BASE_URL)
    if not base:
        return spec.url, spec.filename
    # The official layout, so that a mirror is a plain copy: {base}/{sha256}/{filename}.
    parts = [base.rstrip('/'), *([spec.sha256] if spec.sha256 else []), spec.filename]
    return '/'.join(parts), spec.filename


def download_file(url: str, target: str | Path, sha256: str | None = None, again: str = '',
                  progress: bool = True) -> Path:
    """Download a file; an interrupted download is resumed.

    The bytes are collected in ``{target}.part``, which is renamed once it is
    complete and its checksum is right.

    Args:
        url: Where it is.
        target: Where it goes.
        sha256: Its SHA-256, or the first digits; None for no check.
        again: The command that repeats the download, for error messages.
        progress: Whether to show a progress bar.

    Returns:
        The target.

    Raises:
        InputError: If the host can't be reached, the file stays incomplete
            (kept for the next run) or is damaged (removed).
    """
    target = Path(target)
    part = target.with_name(f'{target.name}.part')
    repeat = f' Run again: {again}' if again else ''
    total = None
    for _ in range(_ATTEMPTS):
        before = _size(part)
        stated = _fetch(url, part, repeat, progress)
        total = total if stated is None else stated
        # Tried again only while it gets on: a host that sends nothing is given up at once.
        if total is None or not before < _size(part) < total:
            break
    size = _size(part)
    if total is not None and size < total:
        raise InputError(f'the download of {url} stopped after {size} of {total} bytes, which are '
                         f'kept.{repeat}')
    if (total is not None and size > total) or not _fits(part, sha256):
        found = sha256_of(part)
        part.unlink()
        raise InputError(f'the file from {url} is damaged: {size} bytes with SHA-256 {found[:12]}, '
                         f'expected {(sha256 or "another")[:12]}; it was removed.{repeat}')
    os.replace(part, target)
    return target


def _fits(path: Path, sha256: str | None) -> bool:
    return sha256 is None or sha256_of(path).startswith(sha256)


def _fetch(url: str, part: Path, repeat: str, progress: bool) -> int | None:
    """Append the missing bytes to ``part``; returns the full size where the host states it."""
    have = _size(part)
    try:
        request = urllib.request.Request(url, headers={'Range': f'bytes={have}-'} if have else {})
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            start = have if response.status == _PARTIAL else 0
            length = response.headers.get('Content-Length')
            total = None if length is None else start + int(length)
            with open(part, 'ab' if start else 'wb') as file:
                _copy(response, file, start, total, part.stem, progress)
            return total
    except urllib.error.HTTPError as error:
        if error.code == _NO_MORE:
            return _stated_size(error, have)
        raise InputError(f'{url} answered {error.code} {error.reason}; check the address, or set '
                         f'{BASE_URL} to a mirror.{repeat}') from error
    except (urllib.error.URLError, *_BROKEN, ValueError) as error:
        raise InputError(_unreachable(url, getattr(error, 'reason', error), repeat)) from error
    except OSError as error:
        raise InputError(f'{part} cannot be written: {error.strerror or error}.') from error


def _copy(response: http.client.HTTPResponse, file: BinaryIO, start: int, total: int | None,
          name: str, progress: bool) -> None:
    """Write what comes until it ends or the connection breaks."""
    from tqdm import tqdm

    with tqdm(total=total, initial=start, unit='B', unit_scale=True, unit_divisor=1024,
              desc=name, disable=not progress) as bar:
        while True:
            try:
                chunk = response.read(_CHUNK)
            except http.client.IncompleteRead as error:
                chunk = error.partial
            except _BROKEN:
                return
            if not chunk:
                return
            file.write(chunk)
            bar.update(len(chunk))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _stated_size(error: urllib.error.HTTPError, have: int) -> int:
    """Full size in the ``bytes */SIZE`` of the answer that the range is past the end."""
    size = (error.headers.get('Content-Range') or '').rpartition('/')[2]
    return int(size) if size.isdigit() else have


def _unreachable(url: str, reason: object, repeat: str) -> str:
    host = urllib.parse.urlsplit(url).netloc or url
    return (f'cannot reach {host} for {url} ({reason}): check the network, or set {BASE_URL} '
            f'to a mirror with the files at {{base}}/{{sha256}}/{{filename}}.{repeat}')
