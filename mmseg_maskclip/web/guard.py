"""Who may ask, and what a browser may do with the answer: host, token, headers."""

from __future__ import annotations

import secrets
from typing import Any, Awaitable, Callable, Mapping, MutableMapping, Optional
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: The only names a browser of this machine calls the page by.
HOSTS = ('127.0.0.1', 'localhost')
HEADERS = {
    'Cache-Control': 'no-store',
    'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
    'Referrer-Policy': 'no-referrer',
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
}


class Guard:
    """Refuses strangers before anything else sees a request.

    Args:
        app: What answers the others.
        token: The secret of this run; it comes as ``?token=`` or in the header
            ``X-Token``.
    """

    def __init__(self, app: App, token: str) -> None:
        self.app = app
        self.token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection (the ASGI protocol)."""
        if scope['type'] == 'lifespan':
            await self.app(scope, receive, send)
            return
        if scope['type'] != 'http':
            await send({'type': 'websocket.close', 'code': 1008})
            return
        headers = {name.decode('latin-1').lower(): value.decode('latin-1')
                   for name, value in scope['headers']}
        sending = _with_headers(send)
        refusal = self._refusal(scope, headers)
        if refusal is None:
            await self.app(scope, receive, sending)
            return
        status, sentence = refusal
        await sending({'type': 'http.response.start', 'status': status,
                       'headers': [(b'content-type', b'text/plain; charset=utf-8')]})
        await sending({'type': 'http.response.body', 'body': sentence.encode()})

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> Optional[tuple[int, str]]:
        # A site that lets its own name point to this machine is told by the name (DNS rebinding).
        host = headers.get('host', '')
        if _host_of(host) not in HOSTS:
            return 403, f'This page answers to {" and ".join(HOSTS)} alone.'
        origin = headers.get('origin')
        if origin is not None and origin.partition('://')[2] != host:
            return 403, 'This page answers to itself alone.'
        query = parse_qs(scope.get('query_string', b'').decode('latin-1'))
        given = headers.get('x-token') or query.get('token', [''])[0]
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            return 403, ('The token is missing or wrong: open the address that maskclip serve has '
                         'printed, with all that stands behind "?token=".')
        return None


def _host_of(host: str) -> Optional[str]:
    try:
        return urlsplit(f'//{host}').hostname
    except ValueError:
        return None


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        """Send, with the headers added."""
        if message['type'] == 'http.response.start':
            own = {name.lower() for name, _ in message.get('headers', [])}
            message['headers'] = [*message.get('headers', []), *(
                (name.encode(), value.encode()) for name, value in HEADERS.items()
                if name.lower().encode() not in own)]
        await send(message)

    return sending
