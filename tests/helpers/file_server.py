"""A file server on loopback that can resume, break off and lie."""

from __future__ import annotations

import contextlib
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Serves bytes by path; what it does wrong is set by attributes.

    Attributes:
        files: Path (with a leading slash) to content.
        requests: (path, Range header or None) of every request so far.
        break_after: Bytes after which a connection is dropped, or None.
        ranges: Whether Range headers are honoured.
        statuses: Path to a status, with the headers that go with it, to fail with.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple] = []
        self.break_after: int | None = None
        self.ranges = True
        self.statuses: dict[str, tuple[int, dict]] = {}
        self.url = ''

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one GET or HEAD."""
        if handler.path in self.statuses:
            status, headers = self.statuses[handler.path]
            handler.send_response(status)
            for name, value in {'Content-Length': '0', **headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            return
        asked = handler.headers.get('Range')
        self.requests.append((handler.path, asked))
        content = self.files.get(handler.path)
        if content is None:
            handler.send_error(404)
            return
        start = int(re.match(r'bytes=(\d+)-', asked).group(1)) if asked and self.ranges else 0
        if start and start >= len(content):
            handler.send_response(416)
            handler.send_header('Content-Range', f'bytes */{len(content)}')
            handler.send_header('Content-Length', '0')
            handler.end_headers()
            return
        handler.send_response(206 if start else 200)
        if start:  # curl takes no 206 without it
            handler.send_header('Content-Range',
                                f'bytes {start}-{len(content) - 1}/{len(content)}')
        handler.send_header('Content-Length', str(len(content) - start))
        # What clients of the Hugging Face hub ask for.
        handler.send_header('ETag', f'"{hashlib.sha256(content).hexdigest()}"')
        handler.send_header('X-Repo-Commit', 40 * 'c')
        handler.end_headers()
        if handler.command == 'HEAD':
            return
        body = content[start:]
        handler.wfile.write(body if self.break_after is None else body[:self.break_after])


@contextlib.contextmanager
def serve():
    """A running :class:`FileServer`, its address in ``url``."""
    server = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        do_HEAD = do_GET

        def log_message(self, *args) -> None:
            pass

    http = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.url = f'http://127.0.0.1:{http.server_port}'
    # Else its shutdown waits for half a second.
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
