"""What a process tells the launcher of several."""

from __future__ import annotations

import json
import os
import time


def tell_launcher(sentence: str) -> bool:
    """Hand a sentence to the launcher, which says it once for all processes.

    Args:
        sentence: What is wrong.

    Returns:
        Whether there is a launcher that does.
    """
    report = os.environ.get('TORCHELASTIC_ERROR_FILE')
    if not report or not os.environ.get('MASKCLIP_LAUNCHER_TELLS'):
        return False
    # Whole or not at all: the launcher may end this process any moment.
    with open(f'{report}.part', 'w') as file:
        json.dump({'message': sentence, 'timestamp': int(time.time()), 'bad_input': True}, file)
    os.replace(f'{report}.part', report)
    return True
