"""Binds the page to this machine and runs it until Ctrl+C."""

from __future__ import annotations

import errno
import secrets
import socket
from typing import Callable

import uvicorn

from mmseg_maskclip.utils import InputError
from mmseg_maskclip.web.app import make_app
from mmseg_maskclip.web.session import Session

HOST = '127.0.0.1'


def bind(port: int) -> socket.socket:
    """Take a port of this machine; nothing can be reached from another one.

    Args:
        port: 0 takes a free one.

    Raises:
        InputError: If it is taken or not allowed.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A run that ended a moment ago leaves the port waiting.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        reason = 'is taken' if error.errno == errno.EADDRINUSE else f'cannot be used ({error})'
        raise InputError(f'port {port} of {HOST} {reason}: give another by --port; 0 takes a free '
                         'one.') from error
    return listener


def serve(session: Session, listener: socket.socket, announce: Callable[[str], None]) -> None:
    """Serve the page until the process is interrupted.

    Args:
        session: What answers.
        listener: Of :func:`bind`.
        announce: Given the address with its token, once it can be opened.
    """
    token = secrets.token_urlsafe(24)
    # The log would hold the token of every address.
    settings = uvicorn.Config(make_app(session, token), log_level='warning', access_log=False,
                              server_header=False)
    listener.listen()
    announce(f'http://{HOST}:{listener.getsockname()[1]}/?token={token}')
    uvicorn.Server(settings).run(sockets=[listener])
