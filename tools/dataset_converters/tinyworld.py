"""Write the embedded world (``maskclip tinyworld``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('tinyworld')
