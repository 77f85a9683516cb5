"""What every layer may use: the error for wrong input, checks, files, plain values, progress,
work in the background."""

from mmseg_maskclip.utils.background import in_background
from mmseg_maskclip.utils.checks import is_one_line, require_number
from mmseg_maskclip.utils.errors import InputError, TooSmallError, lacks_memory, sentence_of
from mmseg_maskclip.utils.files import (
    atomic_path,
    cache_dir,
    read_lines,
    remove_file,
    require_dir,
    require_file,
    require_writable,
    sha256_of,
    writable_dir,
)
from mmseg_maskclip.utils.images import write_image
from mmseg_maskclip.utils.plain import to_plain
from mmseg_maskclip.utils.progress import progress_bar

__all__ = ['InputError', 'TooSmallError', 'atomic_path', 'cache_dir', 'in_background',
           'is_one_line', 'lacks_memory', 'progress_bar', 'read_lines', 'remove_file',
           'require_dir', 'require_file', 'require_number', 'require_writable',
           'sentence_of', 'sha256_of', 'to_plain', 'writable_dir', 'write_image']
