"""Look at the files of a config's data sets before they are used (``maskclip check-dataset``)."""

from mmseg_maskclip.cli.main import run_command

if __name__ == '__main__':
    run_command('check-dataset')
