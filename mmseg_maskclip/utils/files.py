"""File checks with clear errors, and writes that never leave half a file."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Iterator, Union

from mmseg_maskclip.utils.errors import InputError

PathLike = Union[str, 'os.PathLike[str]']
_CHUNK = 1 << 20
# What a user can change; of other errors nobody knows whether they come from writing.
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENAMETOOLONG, errno.EROFS,
               errno.EISDIR)


def require_file(path: PathLike, what: str, fix: str = '') -> Path:
    """Return ``path`` as a :class:`Path` if it is a readable file.

    Args:
        path: The file.
        what: What the file is for, e.g. ``'CLIP checkpoint'``.
        fix: How to get it, appended to the error.

    Raises:
        InputError: If there is no such file or it can't be read.
    """
    path = Path(path)
    hint = f' {fix}' if fix else ''
    # Not pathlib's: of a text longer than a file name may be, they raise.
    if os.path.isdir(path):
        raise InputError(f'{what} {path} is a folder, expected a file.{hint}')
    if not os.path.isfile(path):
        raise InputError(f'{what} {path} does not exist.{hint}')
    if not os.access(path, os.R_OK):
        raise InputError(f'{what} {path} cannot be read: check its permissions.')
    return path


def read_lines(path: PathLike, what: str, fix: str = '') -> list[str]:
    """The lines of a text file, stripped, without the blank ones at its end.

    Args:
        path: The file; a byte-order mark, as editors on Windows write it, is skipped.
        what: What the file is for, used in errors.
        fix: How to get it, appended to the error if it is missing.

    Raises:
        InputError: If it is missing or is not UTF-8 text.
    """
    path = require_file(path, what, fix)
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise InputError(f'{what} {path} is not UTF-8 text (byte {error.start}: {error.reason}); '
                         'save it as UTF-8, one entry a line.') from error
    return [line.strip() for line in text.rstrip().splitlines()]


def require_dir(path: PathLike, what: str, fix: str = '') -> Path:
    """Return ``path`` as a :class:`Path` if it is a folder.

    Args:
        path: The folder.
        what: What the folder is for, e.g. ``'image folder'``.
        fix: How to get it, appended to the error.

    Raises:
        InputError: If there is no such folder.
    """
    path = Path(path)
    if not os.path.isdir(path):
        hint = f' {fix}' if fix else ''
        raise InputError(f'{what} {path} does not exist or is not a folder.{hint}')
    return path


def writable_dir(path: PathLike, what: str) -> Path:
    """Make the folder ``path`` and check that a file can be written there.

    Args:
        path: The folder, made with its parents where missing.
        what: What the folder is for, e.g. ``'work dir'``.

    Raises:
        InputError: If it can't be made or written.
    """
    path = Path(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Permission bits do not tell everything: a read-only mount shows on writing alone.
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InputError(f'{what} {path} cannot be written: '
                         f'{error.strerror or error}.') from error
    return path


def require_writable(path: PathLike, what: str) -> Path:
    """Check that a file can be written, before there is anything to write.

    Args:
        path: The file; its folder is made where missing.
        what: What the file is for, e.g. ``'exported model'``.

    Raises:
        InputError: If it is a folder, its name is too long, or its folder can't be written.
    """
    path = Path(path)
    writable_dir(path.parent, 'folder')
    try:
        if path.is_dir():
            raise InputError(f'{what} {path} is a folder, expected a file.')
        path.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError(f'{what} {path} cannot be written: {error.strerror or error}.') from error
    return path


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Yield a temporary name beside ``path``, renamed to it on success.

    If the body raises, or the process dies, nothing appears under ``path``
    and what stood there before stays. The temporary name keeps the suffix,
    since many writers choose their format by it.

    Args:
        path: The final name; its folder is made where missing.

    Raises:
        InputError: If the folder can't be written, the disk is full, or the name is
            too long.
    """
    path = Path(path)
    writable_dir(path.parent, 'folder')
    try:
        # Not the whole stem, which may be as long as a name can be.
        handle, name = tempfile.mkstemp(
            prefix=f'.{path.stem[:16]}.', suffix=path.suffix, dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            _share(temporary)
            os.replace(temporary, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                temporary.unlink()
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        raise InputError(f'{path} cannot be written: {error.strerror}.') from error


def remove_file(path: PathLike) -> None:
    """Remove a file if it is there.

    Args:
        path: The file.

    Raises:
        InputError: If it can't be removed.
    """
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        # Of a name that is too long there is no file.
        if error.errno != errno.ENAMETOOLONG:
            raise InputError(f'{path} cannot be removed: {error.strerror or error}.') from error


def _share(path: Path) -> None:
    """Give a file made by mkstemp (0600) the permissions of a plain open."""
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(path, 0o666 & ~mask)


def sha256_of(path: PathLike) -> str:
    """SHA-256 of a file's content, as 64 hexadecimal digits."""
    found = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()


def cache_dir() -> Path:
    """The user's cache folder of this project (not made here).

    ``MASKCLIP_CACHE``, else ``$XDG_CACHE_HOME/mmseg_maskclip``, else
    ``~/.cache/mmseg_maskclip``.
    """
    named = os.environ.get('MASKCLIP_CACHE')
    if named:
        return Path(named)
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'mmseg_maskclip'
