"""The server of the page: who may ask, what is refused, and what is answered."""

import asyncio
import base64
import io
import json
import re
import struct
import threading
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from pycocotools import mask as coco_masks

import mmseg_maskclip
from mmseg_maskclip.tinyworld.scenes import scene
from mmseg_maskclip.web.app import make_app
from mmseg_maskclip.web.maps import confidence_steps
from mmseg_maskclip.web.session import open_session

from helpers.cases import cases

TOKEN = 'a-secret'
WORDS = ['zebra', 'tiger', 'grass; lawn', 'sky']
QUESTION = {'words': WORDS, 'contrast': 'default', 'method': None, 'smoothing': 0, 'threshold': 0}


@pytest.fixture(scope='module')
def session():
    return open_session('TinyRN', device='cpu')


@pytest.fixture(scope='module')
def client(session):
    with TestClient(make_app(session, TOKEN), base_url='http://127.0.0.1:8000',
                    headers={'X-Token': TOKEN, 'X-Page': 'one'}) as client:
        yield client


@pytest.fixture(scope='module')
def model():
    """The same model, without a page."""
    return mmseg_maskclip.load('TinyRN', device='cpu')


def _png(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format='PNG')
    return file.getvalue()


def _add(client, picture, name='street.png'):
    done = client.post('/pictures', params={'name': name}, content=_png(picture))
    assert done.status_code == 200, done.text
    return done.json()['id']


def _unpack(content):
    """As the page reads it, by the description in maps.py."""
    length = int.from_bytes(content[:4], 'little')
    maps = json.loads(content[4:4 + length])
    pixels = maps['height'] * maps['width']
    shape = maps['height'], maps['width']
    start = 4 + length
    maps['index'] = np.frombuffer(content, '<u2', pixels, start).reshape(shape)
    maps['confidence'] = np.frombuffer(content, 'u1', pixels, start + 2 * pixels).reshape(shape)
    assert len(content) == start + 3 * pixels
    return maps


def _ask(client, picture, **changes):
    return client.post('/labels', json={**QUESTION, 'picture': picture, **changes})


@cases('path, headers, status', [
    ('/', {}, 403), ('/?token=', {}, 403), ('/?token=a-secres', {}, 403),
    (f'/?token={TOKEN}', {}, 200), ('/about', {}, 403), ('/about', {'X-Token': TOKEN}, 200),
    ('/about', {'X-Token': 'ä'}, 403), ('/nowhere', {}, 403), ('/nowhere', {'X-Token': TOKEN}, 404),
    (f'/?token={TOKEN}', {'Host': 'attacker.example'}, 403),
    (f'/?token={TOKEN}', {'Host': '127.0.0.1.attacker.example:8000'}, 403),
    (f'/?token={TOKEN}', {'Host': 'localhost:8000'}, 200),
    ('/about', {'X-Token': TOKEN, 'Origin': 'http://attacker.example'}, 403),
    ('/about', {'X-Token': TOKEN, 'Origin': 'http://127.0.0.1:8000'}, 200),
    ('/about', {'X-Token': TOKEN, 'Origin': 'null'}, 403),
    ('/about', {'X-Token': TOKEN, 'Origin': 'http://['}, 403),
    (f'/?token={TOKEN}', {'Host': '['}, 403),
    ('/../setup.py', {'X-Token': TOKEN}, 404), ('/pictures/..%2f..%2fsetup.png', {
        'X-Token': TOKEN}, 404), ('/openapi.json', {'X-Token': TOKEN}, 404)])
def test_who_may_ask(path, headers, status, session):
    stranger = TestClient(make_app(session, TOKEN), base_url='http://127.0.0.1:8000')
    headers = {name: value.encode() for name, value in headers.items()}
    done = stranger.get(path, headers=headers)
    assert done.status_code == status
    assert done.headers['X-Content-Type-Options'] == 'nosniff'
    assert done.headers['Referrer-Policy'] == 'no-referrer'
    assert "frame-ancestors 'none'" in done.headers['Content-Security-Policy']


def test_the_page_is_one_file_that_loads_nothing_from_elsewhere(client):
    pages = [client.get('/') for _ in range(2)]
    policies = [done.headers['Content-Security-Policy'] for done in pages]
    assert policies[0] != policies[1], 'a nonce is used once'
    assert "default-src 'none'" in policies[0] and 'unsafe' not in policies[0]
    nonce = re.search(r"script-src 'nonce-([\w-]{20,})'", policies[0]).group(1)
    assert re.findall(r'<(script|style) nonce="([^"]+)"', pages[0].text) == [
        ('style', nonce), ('script', nonce)]
    linked = re.findall(r'''(?:src|href|action)\s*=\s*["']([^"']*)|url\(|@import''', pages[0].text)
    assert linked == ['data:,'], linked
    assert not re.search(r'\son\w+=|style="', pages[0].text), 'refused by the policy'


def _header_alone(width, height):
    """A PNG that claims a size and has no pixels."""
    parts = ((b'IHDR', struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)), (b'IDAT', b'xyz'))
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        for name, data in parts)


@cases('content, status, words', [
    (_header_alone(50_000, 50_000), 400, 'more than the 40 million pixels that this page'),
    (_header_alone(8000, 5001), 400, 'maskclip predict'),
    (_header_alone(8000, 5000), 400, 'damaged'),  # not too large, but there is nothing in it
    (b'a text that is called .jpg', 400, 'is not a picture'),
    (b'', 400, 'empty'), (bytes(30_000_001), 413, '30 MB')])
def test_pictures_that_are_refused(content, status, words, client):
    done = client.post('/pictures', params={'name': 'holiday.jpg'}, content=content)
    assert (done.status_code, done.json()['field']) == (status, 'picture')
    assert words in done.json()['error'] and '/' not in done.json()['error']


@cases('headers, parts', [([(b'content-length', b'30000001')], 0), ([], 31)])
def test_a_body_over_30_mb_is_not_read_to_its_end(headers, parts, session):
    """Not at all where its length is announced."""
    sent, read = [], []

    async def receive():
        read.append(len(read))
        return {'type': 'http.request', 'body': bytes(1_000_000), 'more_body': True}

    async def send(message):
        sent.append(message)

    asyncio.run(make_app(session, TOKEN)({
        'type': 'http', 'method': 'POST', 'path': '/pictures', 'raw_path': b'/pictures',
        'query_string': b'', 'http_version': '1.1', 'scheme': 'http', 'root_path': '',
        'server': ('127.0.0.1', 8000), 'client': ('127.0.0.1', 5000), 'headers': [
            (b'host', b'127.0.0.1:8000'), (b'x-token', TOKEN.encode()), *headers]}, receive, send))
    assert sent[0]['status'] == 413 and len(read) == parts


def test_maps_are_those_of_predict(client, model):
    """Also of a picture that is larger than what the page shows."""
    drawn = scene(3, 3).image
    for picture in (drawn, np.ascontiguousarray(np.tile(drawn, (2, 6, 1))[:400, :1500])):
        # What the page hides at the moment stays in its maps.
        maps = _unpack(_ask(client, _add(client, picture), threshold=0.9).content)
        result = model.predict(picture, WORDS)
        assert maps['own'] == list(picture.shape[:2])
        assert max(maps['index'].shape) == min(1024, max(picture.shape))
        rows, columns = (((2 * np.arange(few) + 1) * many) // (2 * few)
                         for few, many in zip(maps['index'].shape, picture.shape))
        for threshold in (0, 0.35, 0.95):
            labels = result.rethreshold(threshold).labels[rows[:, None], columns]
            hidden = maps['confidence'] < round(threshold * maps['steps'])
            shown = np.where(hidden | (maps['index'] == 65535), 255, maps['index'])
            assert np.array_equal(shown, labels) and len(np.unique(labels)) > 2
    for entry, name, colour in zip(maps['classes'], result.names, result.palette):
        assert (entry['name'], entry['colour']) == (name, list(colour))
        assert entry['best'] == pytest.approx(result.best_confidence[name])
        assert entry['presence'] == pytest.approx(result.presence[name])


def test_a_confidence_on_a_threshold_reaches_it():
    """As in ``confidence < threshold``, which compares single precision."""
    thresholds = (np.arange(1, 201) / 200).astype(np.float32)
    assert confidence_steps(thresholds).tolist() == list(range(1, 201))
    assert confidence_steps(np.nextafter(thresholds, np.float32(0))).tolist() == list(range(200))


def test_the_shown_picture_is_upright_and_small(client):
    """A turned JPEG: what the page shows has the pixels of the maps."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((1200, 2400, 3), np.uint8)).save(file, format='JPEG', exif=exif)
    added = client.post('/pictures', content=file.getvalue()).json()
    assert (added['height'], added['width']) == (2400, 1200)
    shown = Image.open(io.BytesIO(client.get(f'/pictures/{added["id"]}.png').content))
    assert shown.size == (512, 1024)


def test_other_words_reuse_the_encoded_picture(client, monkeypatch):
    """And files have the labels that are shown."""
    encoded, classified = [], []
    for owner, name, calls in ((mmseg_maskclip.Predictor, 'encode', encoded),
                               (mmseg_maskclip.EncodedPicture, 'classify', classified)):
        _count(monkeypatch, owner, name, calls)
    picture = client.post('/scenes/2').json()['id']
    reused = [_unpack(_ask(client, picture, **changes).content)['reused'] for changes in (
        {}, {'words': ['sky']}, {'contrast': None}, {'smoothing': 1.0}, {'smoothing': 1.0})]
    assert reused == [False, True, True, False, True] and len(encoded) == 2
    done = len(classified)
    for form, threshold in (('png', 0), ('coco', 0.5)):
        client.post(f'/files/{form}', json={**QUESTION, 'picture': picture, 'smoothing': 1.0,
                                            'threshold': threshold})
    assert len(classified) == done == 4


def _count(monkeypatch, owner, name, calls):
    own = getattr(owner, name)
    monkeypatch.setattr(
        owner, name, lambda self, *args, **more: calls.append(name) or own(self, *args, **more))


@cases('changes, field, words', [
    ({'words': ['zebra', 'spaceship']}, 'words', 'spaceship'), ({'words': []}, 'words', 'no words'),
    ({'words': 'zebra'}, 'words', 'expected a list'), ({'words': ['sky', 'sky']}, 'words', 'sky'),
    ({'words': ['sky'] * 1001}, 'words', '1000'), ({'words': ['x' * 301]}, 'words', '300'),
    ({'contrast': ['spaceship']}, 'contrast', 'spaceship'),
    ({'method': 'naclip'}, 'method', 'naclip'), ({'method': 7}, 'method', '7'),
    ({'smoothing': 2}, 'smoothing', '2'), ({'threshold': 2}, None, 'threshold')])
def test_mistakes_are_a_sentence_at_their_field(changes, field, words, client):
    picture = client.post('/scenes/0').json()['id']
    done = _ask(client, picture, **changes)
    assert done.status_code == 400
    assert done.json()['field'] == field and words in done.json()['error']


@cases('content', [b'', b'x', b'[]', b'[' * 900_000, b'\xff'])
def test_a_question_that_is_none(content, client):
    done = client.post('/labels', content=content)
    assert done.status_code == 400 and done.json()['error'].startswith('the question is ')


def test_a_picture_that_is_no_longer_kept_is_asked_for_again(client):
    pictures = [client.post(f'/scenes/{number}').json()['id'] for number in range(3)]
    assert [_ask(client, picture).status_code for picture in pictures] == [410, 200, 200]
    assert client.post('/scenes/6').status_code == 400


@pytest.fixture(scope='module')
def files(client, model):
    """What is downloaded, and what it is of."""
    picture = np.ascontiguousarray(np.tile(scene(3, 3).image, (1, 5, 1)))
    added = _add(client, picture, '/a b/..\\stréet.jpg')
    question = {**QUESTION, 'picture': added, 'threshold': 0.4}
    # The page shows fewer pixels of it.
    assert _ask(client, added, threshold=0.4).status_code == 200
    done = {form: client.post(f'/files/{form}', json=question)
            for form in ('png', 'coco', 'labelme')}
    assert [one.status_code for one in done.values()] == [200] * 3
    assert client.post('/files/tiff', json=question).status_code == 400
    return SimpleNamespace(
        labels=model.predict(picture, WORDS, threshold=0.4).labels,
        names=[one.headers['X-File-Name'] for one in done.values()],
        **{form: one.content for form, one in done.items()})


def test_the_downloaded_png(files):
    assert files.names == ['str%C3%A9et.png', 'str%C3%A9et.coco.json', 'str%C3%A9et.json']
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(files.png))), files.labels)
    assert len(np.unique(files.labels)) > 2 and 255 in files.labels


def test_the_downloaded_coco(files):
    coco = json.loads(files.coco)
    found = np.full(files.labels.shape, 255)
    for one in coco['annotations']:
        found[coco_masks.decode(one['segmentation']) > 0] = one['category_id'] - 1
    assert np.array_equal(found, files.labels)
    assert coco['images'][0]['file_name'] == 'stréet.jpg'


def test_the_downloaded_labelme(files):
    labelme = json.loads(files.labelme)
    assert labelme['imagePath'] == 'stréet.jpg'
    found = np.full(files.labels.shape, 255)
    for shape in labelme['shapes']:
        crop = np.asarray(Image.open(io.BytesIO(base64.b64decode(shape['mask'])))) > 0
        left, top = map(int, shape['points'][0])
        name = next(index for index, word in enumerate(WORDS)
                    if word.split(';')[0] == shape['label'])
        found[top:top + crop.shape[0], left:left + crop.shape[1]][crop] = name
    assert np.array_equal(found, files.labels)


def test_one_job_at_a_time_and_of_one_page_the_newest(client, session, monkeypatch):
    """While one runs, the older of two that wait is dropped; another page's is not."""
    picture = client.post('/scenes/0').json()['id']
    started, go_on, running, statuses = threading.Event(), threading.Event(), [], {}
    answer = session.answer

    def slow(question, check, shown=False):
        running.append(question.words)
        started.set()
        assert go_on.wait(20) and len(running) == len(done) + 1
        done.append(question.words)
        return answer(question, check)

    def ask(word, page):
        statuses[word] = client.post('/labels', json={**QUESTION, 'picture': picture, 'words': [
            word]}, headers={'X-Page': page}).status_code

    done = []
    monkeypatch.setattr(session, 'answer', slow)
    threads = []
    for word, page in (('sky', 'a'), ('grass', 'b'), ('sand', 'c'), ('zebra', 'b')):
        threads.append(threading.Thread(target=ask, args=(word, page)))
        threads[-1].start()
        assert started.wait(20)
        if word != 'sky':
            threading.Event().wait(0.1)  # until it waits
    threads[1].join(20)
    at_once = dict(statuses)
    # Also where it fails: who still waits would keep the process from its end.
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert at_once == {'grass': 409}, 'dropped at once, not when its turn comes'
    assert statuses == {'grass': 409, 'sky': 200, 'sand': 200, 'zebra': 200}
    assert ('grass',) not in running


def test_what_the_page_is_told(client):
    about = client.get('/about').json()
    assert about['model'] == 'TinyRN' and 'zebra' in about['known'] and 'lawn' in about['known']
    assert about['contrast'] and set(about['contrast']) <= set(about['known'])
    assert about['methods'] == [['', 'maskclip']], 'a ResNet is read in one way'
    small = Image.open(io.BytesIO(client.get('/scenes/0.png').content))
    assert small.size == (64, 64)
