"""The server of the page: addresses, limits, errors. What it answers with is in session.py."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Any, Awaitable, Callable
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response

from mmseg_maskclip.utils import InputError, lacks_memory
from mmseg_maskclip.web.about import about
from mmseg_maskclip.web.files import file_of
from mmseg_maskclip.web.guard import Guard
from mmseg_maskclip.web.jobs import Check, Jobs, Superseded
from mmseg_maskclip.web.maps import description_of, pack, shrink
from mmseg_maskclip.web.pictures import (
    MOST_BYTES,
    TOO_MANY_BYTES,
    png_bytes,
    scene_pixels,
    thumbnail,
)
from mmseg_maskclip.web.questions import FieldError, question_of
from mmseg_maskclip.web.session import GoneError, Session

_PAGE = Path(__file__).with_name('page.html')
_MOST_JSON = 1_000_000
_CSP = ("default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'")
Work = Callable[[Request, Callable[[Check], Any], str], Awaitable[Any]]


def make_app(session: Session, token: str) -> Guard:
    """The page and all that it asks, as an ASGI application.

    Args:
        session: What answers.
        token: Whoever does not send it is refused.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    jobs = Jobs()

    async def work(request: Request, job: Callable[[Check], Any], kind: str) -> Any:
        """Run a job in a thread, once no other runs."""
        # Words supersede words, a picture a picture, and a file nothing of that.
        page = request.headers.get('x-page', '')[:64]
        return await run_in_threadpool(jobs.run, f'{page}/{kind}', job)

    _add_page(app, session)
    _add_pictures(app, session, work)
    _add_answers(app, session, work)
    _add_errors(app)
    return Guard(app, token)


def _add_page(app: FastAPI, session: Session) -> None:
    @app.get('/')
    def page() -> Response:
        """The HTML, with a nonce of its own."""
        nonce = secrets.token_urlsafe(16)
        return HTMLResponse(_PAGE.read_text(encoding='utf-8').replace('{nonce}', nonce),
                            headers={'Content-Security-Policy': _CSP.format(nonce=nonce)})

    @app.get('/about')
    def about_page() -> dict:
        """What the page shows before any picture."""
        return about(session)

    @app.get('/scenes/{number}.png')
    def scene_thumbnail(number: int) -> Response:
        """A scene of the embedded world, small."""
        return Response(png_bytes(thumbnail(number)), media_type='image/png')


def _add_pictures(app: FastAPI, session: Session, work: Work) -> None:
    @app.post('/pictures')
    async def add_picture(request: Request, name: str = '') -> dict:
        """Take in the picture that is the body."""
        content = await _body(request, MOST_BYTES, TOO_MANY_BYTES)
        return await work(request, lambda _: session.add(content, name), 'picture')

    @app.post('/scenes/{number}')
    async def add_scene(request: Request, number: int) -> dict:
        """Take in a scene of the embedded world."""
        return await work(request, lambda _: session.add_pixels(
            scene_pixels(number), f'scene_{number + 1}.png'), 'picture')

    @app.get('/pictures/{identity}.png')
    def shown_picture(identity: str) -> Response:
        """The pixels of a picture that the page shows."""
        shown = shrink(session.picture(identity).picture.rgb)
        return Response(png_bytes(shown), media_type='image/png')


def _add_answers(app: FastAPI, session: Session, work: Work) -> None:
    @app.post('/labels')
    async def labels(request: Request) -> Response:
        """The maps of a question."""
        # The page has a threshold of its own: what it hides stays in the maps.
        question = replace(question_of(await _values(request)), threshold=0.0)

        def job(check: Check) -> bytes:
            """Classify, and pack what is shown."""
            result, reused = session.answer(question, check, shown=True)
            check()
            size = session.picture(question.picture).picture.rgb.shape[:2]
            return pack({**description_of(result, size), 'reused': reused}, result.labels,
                        result.confidence)

        return Response(await work(request, job, 'labels'), media_type='application/octet-stream')

    @app.post('/files/{form}')
    async def file(request: Request, form: str) -> Response:
        """The labels of a question as a file."""
        question = question_of(await _values(request))
        name, content = await work(
            request, lambda check: file_of(session.answer(question, check)[0], form), 'file')
        return Response(content, media_type='application/octet-stream',
                        headers={'X-File-Name': quote(name)})


async def _body(request: Request, most: int, sentence: str) -> bytes:
    """All that was sent, if that is not too much; what is announced is not even read."""
    announced = request.headers.get('content-length', '')
    parts, size = [], int(announced) if announced.isdecimal() else 0
    if size > most:
        raise HTTPException(413, sentence)
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise HTTPException(413, sentence)
        parts.append(part)
    return b''.join(parts)


async def _values(request: Request) -> dict[str, Any]:
    body = await _body(request, _MOST_JSON, 'the question has more than 1 MB.')
    try:
        values = json.loads(body)
    # The latter of brackets in brackets in brackets.
    except (ValueError, RecursionError) as error:
        raise InputError('the question is not JSON.') from error
    if not isinstance(values, dict):
        raise InputError(f'the question is a {type(values).__name__}, expected an object.')
    return values


def _add_errors(app: FastAPI) -> None:
    """Every error is a sentence and, where one is to blame, the field it belongs to."""
    @app.exception_handler(InputError)
    async def wrong_input(_: Request, error: InputError) -> Response:
        """A sentence for what somebody typed."""
        return _error(410 if isinstance(error, GoneError) else 400, str(error),
                      error.field if isinstance(error, FieldError) else None)

    @app.exception_handler(Superseded)
    async def superseded(_: Request, error: Superseded) -> Response:
        """Nobody waits for the answer any more."""
        return _error(409, 'a newer question came.')

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        """A sentence for what was refused."""
        return _error(error.status_code, str(error.detail),
                      'picture' if request.url.path == '/pictures' else None)

    @app.exception_handler(RequestValidationError)
    async def wrong_address(_: Request, error: RequestValidationError) -> Response:
        """No such address."""
        return _error(404, 'there is nothing at this address.')

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        """A sentence for what should not happen."""
        if lacks_memory(error):
            return _error(507, 'out of memory: take a smaller picture or fewer words.')
        return _error(500, 'this failed, which is a defect: see the terminal of maskclip serve.')


def _error(status: int, sentence: str, field: str | None = None) -> Response:
    return JSONResponse({'error': sentence, 'field': field}, status)
