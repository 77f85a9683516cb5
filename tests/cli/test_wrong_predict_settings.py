"""maskclip predict on wrong input: one sentence, exit code 2, and nothing written."""

from pathlib import Path

from PIL import Image

from helpers.cases import cases
from helpers.tools import assert_bad_input

TOOL = 'tools/predict.py'


def test_a_clip_model_has_no_classes_of_its_own(call_tool):
    assert_bad_input(call_tool(TOOL, 'one.png', '--model', 'TinyRN'), 'TinyRN has no classes',
                     '--classes')


@cases('flags, words', [
    ([], ['expected pictures']),
    (['none'], ['picture none does not exist']),
    (['n' * 300], ['has 300 bytes', 'rename the picture']),
    (['text.jpg'], ['text.jpg is not a picture']),
    (['two.txt'], ['none of 2 pictures', 'picture b.jpg does not exist']),
    (['empty'], ['no picture was found in empty']),
    (['one.png', '--max-pixels', '100'], ['one.png has 64 x 64 pixels', 'at most 100']),
    (['one.png', '--max-pixels', '0'], ['--max-pixels is 0']),
    (['one.png', '--classes', ''], ['blank']),
    (['one.png', '--classes', 'cat', 'one.png'], ['one.png is a file']),
    (['one.png', '--classes', 'unicorn'], ['unicorn']),
    (['one.png', '--classes', ' '.join(['sky'] * 80)], ['tokens']),
    (['one.png', '--contrast', 'grass', ''], ['item 2 of --contrast is blank']),
    (['one.png', '--templates', 'nine'], ["template set 'nine'"]),
    (['one.png', '--templates', 'two.txt'], ["template 'text.jpg'"]),
    (['one.png', '--formats', 'pdf'], ["format 'pdf' is unknown"]),
    (['one.png', '--method', 'nonsense'], ['nonsense']),
    (['one.png', '--model', 'RN-9'], ['RN-9']),
    (['one.png', '--weights', 'gone.pt'], ['gone.pt']),
    (['one.png', '--weights', 'a.pt', '--checkpoint', 'b.pth'], ['--checkpoint: not allowed']),
    (['one.png', '--threshold', '2'], ['threshold is 2.0']),
    (['one.png', '--opacity', '0'], ['opacity is 0.0']),
    (['one.png', '--batch-size', '0'], ['batch_size is 0']),
    (['one.png', '--background', 'sky'], ['--background needs --classes']),
    (['one.png', '--launcher', 'pytorch'], ['dist_predict.sh']),
    (['empty', '--out', 'empty'], ['among the pictures of empty']),
    (['*.png', '--out', '.'], ['among the pictures of *.png']),
    (['o/overlay/two.png', '--out', 'o'], ['o/overlay lie where results go', 'than o']),
    (['one.png', '--out', 'one.png'], ['output folder one.png']),
], ids=lambda flags, words: ' '.join(flags[:3]))
def test_wrong_input_is_one_sentence(flags, words, call_tool, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('RANK', raising=False)
    Path('empty').mkdir()
    Path('text.jpg').write_text('no picture')
    Path('two.txt').write_text('text.jpg\nb.jpg\n')
    Image.new('RGB', (64, 64)).save('one.png')
    Path('o/overlay').mkdir(parents=True)
    Image.new('RGB', (64, 64)).save('o/overlay/two.png')
    given = flags if '--classes' in flags or '--background' in flags else [
        *flags, '--classes', 'sky']
    done = call_tool(TOOL, *given, *(['--model', 'TinyRN'] if '--model' not in flags else []))
    assert_bad_input(done, *words)
    assert not list(Path().glob('**/annotations'))
