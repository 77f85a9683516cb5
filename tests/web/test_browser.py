"""The page in a real Chromium: what is seen, clicked and read there."""

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

import mmseg_maskclip
from mmseg_maskclip.tinyworld.scenes import scene

from helpers.tools import ROOT

pytestmark = pytest.mark.slow
WORDS = ['tiger', 'cookie', 'grass; lawn', 'sky']
IMAGES = ROOT / 'docs' / 'images'
#: Set to write the pictures of the docs.
SCREENSHOTS = os.environ.get('MASKCLIP_SCREENSHOTS')
_SHOWN = '''() => {
    const {width, height} = document.getElementById('overlay');
    const pixels = document.getElementById('overlay').getContext('2d')
        .getImageData(0, 0, width, height).data;
    let text = '';
    for (let i = 0; i < pixels.length; i += 4096)
        text += String.fromCharCode(...pixels.subarray(i, i + 4096));
    return [height, width, btoa(text)];
}'''


@pytest.fixture(scope='module')
def address():
    """The running command's."""
    code = 'from mmseg_maskclip.cli.main import main; main()'
    with subprocess.Popen([sys.executable, '-c', code, 'serve', '--port', '0', '--device', 'cpu'],
                          stdout=subprocess.PIPE, text=True) as server:
        try:
            printed = server.stdout.readline()
            assert printed.startswith('Open http://127.0.0.1:'), printed
            yield printed.split()[1]
        finally:
            server.send_signal(signal.SIGINT)
        assert server.wait(20) == 130, 'Ctrl+C ends it'


@pytest.fixture(scope='module')
def browser():
    found = subprocess.run(['bash', str(ROOT / 'tests/web/chromium.sh')], capture_output=True,
                           text=True)
    assert found.returncode == 0, found.stderr
    from playwright.sync_api import sync_playwright
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found.stdout.strip(),
            args=['--no-sandbox'] if os.geteuid() == 0 else [])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, address):
    """Opens the page; fails if it asks another host for anything, or complains in the console."""
    wrong, contexts = [], []

    def route(found):
        url = found.request.url
        if url.startswith(('data:', 'blob:')) or urlsplit(url).hostname == '127.0.0.1':
            return found.continue_()
        wrong.append(url)
        return found.abort()

    def note(message):
        # Of requests that are answered with an error, as some here are to be.
        if message.type == 'error' and not message.text.startswith('Failed to load resource'):
            wrong.append(message.text)

    def opened(width=1240, height=900, scheme='light', **settings):
        context = browser.new_context(viewport={'width': width, 'height': height},
                                      color_scheme=scheme, **settings)
        contexts.append(context)
        context.set_default_timeout(20_000)
        context.route('**/*', route)
        page = context.new_page()
        page.on('console', note)
        page.on('pageerror', lambda error: wrong.append(str(error)))
        page.goto(address)
        _wait(page, '256 x 256 pixels')
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not wrong


@pytest.fixture(scope='module')
def picture():
    """No square: what is turned or stretched shows."""
    return np.ascontiguousarray(scene(3, 3).image[40:240])


@pytest.fixture(scope='module')
def result(picture):
    return mmseg_maskclip.load('TinyRN', device='cpu').predict(picture, WORDS)


@pytest.fixture(scope='module')
def content(picture):
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format='PNG')
    return file.getvalue()


def _wait(page, text):
    page.locator('#status', has_text=text).wait_for()


def _upload(page, content):
    """The picture, and words for it."""
    page.locator('#words').fill('\n'.join(WORDS))
    page.locator('#file').set_input_files(
        {'name': 'garden.png', 'mimeType': 'image/png', 'buffer': content})
    _wait(page, '256 x 200 pixels')


def _shown(page):
    height, width, text = page.evaluate(_SHOWN)
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, 4)


def _expected(result, hidden=()):
    """Each label in its colour, nothing where there is none."""
    table = np.zeros((256, 4), np.uint8)
    for index, (name, colour) in enumerate(zip(result.names, result.palette)):
        table[index] = (0, 0, 0, 0) if name in hidden else (*colour, 255)
    return table[result.labels]


def _slide(page, name, value):
    """As a hand does: the browser itself rounds to the slider's steps."""
    page.locator(f'#{name}').fill(str(value))


def test_upload_slide_hide_and_hover(open_page, content, result):
    page = open_page()
    _upload(page, content)
    assert np.array_equal(_shown(page), _expected(result))
    asked = []
    page.on('request', lambda request: asked.append(request.url))

    _slide(page, 'threshold', 0.95)
    unsure = result.rethreshold(0.95)
    assert (unsure.labels != result.labels).mean() > 0.01
    assert np.array_equal(_shown(page), _expected(unsure))
    _slide(page, 'threshold', 0)
    _slide(page, 'opacity', 0.25)
    assert page.locator('#overlay').evaluate('e => getComputedStyle(e).opacity') == '0.25'

    page.get_by_label('sky').uncheck()
    assert np.array_equal(_shown(page), _expected(result, hidden=('sky',)))
    page.get_by_label('sky').check()
    assert np.array_equal(_shown(page), _expected(result))

    for row, column in ((20, 30), (100, 128), (180, 200)):
        _hover(page, row, column, result)
    _slide(page, 'threshold', 0.95)
    _hover(page, *np.argwhere(unsure.labels != result.labels)[0].tolist(), unsure)
    assert not asked, 'sliders, boxes and hovering ask the server nothing'


def _hover(page, row, column, result):
    """Point at the middle of a pixel; class and confidence are said."""
    box = page.locator('#overlay').bounding_box()
    scale = min(box['width'] / 256, box['height'] / 200)
    page.mouse.move(box['x'] + (box['width'] - 256 * scale) / 2 + (column + 0.5) * scale,
                    box['y'] + (box['height'] - 200 * scale) / 2 + (row + 0.5) * scale)
    label = result.labels[row, column]
    said = page.locator('#hover').inner_text()
    assert said.startswith('none of these' if label == 255 else result.names[label])
    assert abs(float(re.search(r'[01]\.\d\d', said).group())
               - result.confidence[row, column]) <= 0.0101


def test_words_contrast_and_mistakes(open_page, content, result):
    page = open_page()
    _upload(page, content)
    page.locator('#words').fill('tiger, spaceship')
    page.locator('#words-error', has_text='spaceship').wait_for()
    assert page.locator('#words').get_attribute('aria-invalid') == 'true'
    page.locator('#words').fill('tiger')
    _wait(page, 'the encoded picture reused')
    assert page.locator('#words-error').inner_text() == ''
    alone = (_shown(page)[..., 3] > 0).mean()
    assert alone < 0.5
    page.get_by_label('Use contrast words').uncheck()
    page.locator('#classes', has_text='100.0 %').wait_for()
    page.get_by_label('Use contrast words').check()
    page.get_by_label('Contrast words', exact=True).fill('unicorn')
    page.locator('#contrast-error', has_text='unicorn').wait_for()
    page.get_by_role('button', name="The model's own").click()
    page.locator('#classes', has_text=f'{100 * alone:.1f} %').wait_for()
    page.get_by_label('Key smoothing').select_option('every patch')
    page.locator('#classes', has_not_text=f'{100 * alone:.1f} %').wait_for()
    page.locator('#file').set_input_files(
        {'name': 'notes.jpg', 'mimeType': 'image/jpeg', 'buffer': b'a text'})
    page.locator('#picture-error', has_text='not a picture').wait_for()


def test_drop_and_paste(open_page, content):
    page = open_page()
    send = '''([text, kind]) => {
        const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], 'given.png', {type: 'image/png'}));
        document.body.dispatchEvent(kind === 'drop'
            ? new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})
            : new ClipboardEvent('paste', {clipboardData: data, bubbles: true}));
    }'''
    for kind in ('drop', 'paste'):
        page.get_by_role('button', name='Scene 2').click()
        _wait(page, '256 x 256 pixels')
        page.evaluate(send, [base64.b64encode(content).decode(), kind])
        _wait(page, '256 x 200 pixels')


def test_files(open_page, content, result):
    page = open_page()
    _upload(page, content)
    _slide(page, 'threshold', 0.95)
    names, files = {}, {}
    for button in ('Index PNG', 'COCO', 'LabelMe'):
        with page.expect_download() as download:
            page.get_by_role('button', name=button).click()
        names[button] = download.value.suggested_filename
        files[button] = download.value.path().read_bytes()
    assert list(names.values()) == ['garden.png', 'garden.coco.json', 'garden.json']
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(files['Index PNG']))),
                          result.rethreshold(0.95).labels)
    assert json.loads(files['LabelMe'])['imagePath'] == 'garden.png'
    assert len(json.loads(files['COCO'])['categories']) == len(WORDS)


def test_the_keyboard_reaches_everything(open_page):
    page = open_page()
    controls = page.evaluate('''() => [...document.querySelectorAll(
        'button, input, select, textarea, a[href], [tabindex]')].map((control, number) => {
            control.dataset.number = number;
            return control.id || control.textContent || control.alt;
        })''')
    page.locator('body').focus()
    reached = []
    for _ in range(2 * len(controls)):
        page.keyboard.press('Tab')
        reached.append(page.evaluate('document.activeElement.dataset.number'))
    missing = [name for number, name in enumerate(controls) if str(number) not in reached]
    assert len(controls) >= 20 and not missing
    order = list(dict.fromkeys(number for number in reached if number))
    assert order == sorted(order, key=int), 'as they stand on the page'

    page.locator('#overlay').focus()
    page.keyboard.press('ArrowRight')
    first = page.locator('#hover').inner_text()
    assert re.search(r'[01]\.\d\d', first) and page.locator('#probe').is_visible()
    for _ in range(30):
        page.keyboard.press('ArrowDown')
    assert page.locator('#hover').inner_text() != first


@pytest.mark.parametrize('width, scheme', [(1240, 'light'), (1240, 'dark'), (375, 'light'),
                                           (375, 'dark')])
def test_it_fits_and_is_accessible(width, scheme, open_page):
    from axe_playwright_python.base import AXE_SCRIPT
    page = open_page(width, scheme=scheme)
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    _bright(page, scheme)
    page.evaluate(AXE_SCRIPT)
    for changed in (False, True):
        if changed:  # the errors, too
            page.locator('#words').fill('spaceship')
            page.locator('#words-error', has_text='spaceship').wait_for()
        found = page.evaluate('axe.run()')
        assert len(found['passes']) > 20
        assert not [(one['id'], [node['html'] for node in one['nodes']])
                    for one in found['violations']]
        assert page.evaluate('document.documentElement.scrollWidth') <= width


def _bright(page, scheme):
    ground = page.evaluate('getComputedStyle(document.body).backgroundColor')
    values = [int(value) for value in re.findall(r'\d+', ground)[:3]]
    assert (min(values) > 200) if scheme == 'light' else (max(values) < 60)


@pytest.mark.parametrize('name, width, height, scheme', [
    ('page', 1100, 860, 'light'), ('page_dark', 375, 760, 'dark')])
def test_its_pictures(name, width, height, scheme, open_page, tmp_path):
    """Those of the docs, where MASKCLIP_SCREENSHOTS is set."""
    page = open_page(width, height, scheme=scheme)
    page.locator('#overlay').hover()
    path = (IMAGES if SCREENSHOTS else tmp_path) / f'{name}.png'
    page.screenshot(path=path)
    with Image.open(path) as drawn:
        small = drawn.convert('RGB').quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    assert path.stat().st_size < 200_000
