"""A file server on loopback that can resume, break off and lie."""

from __future__ import annotations

import contextlib
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
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple] = []
        self.break_after: int | None = None
        self.ranges = True
        self.url = ''

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one GET."""
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
        handler.end_headers()
        body = content[start:]
        handler.wfile.write(body if self.break_after is None else body[:self.break_after])


@contextlib.contextmanager
def serve():
    """A running :class:`FileServer`, its address in ``url``."""
    server = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *args) -> None:
            pass

    http = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.url = f'http://127.0.0.1:{http.server_port}'
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
