"""Label pictures with words of one's own (``maskclip predict``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('predict')
