"""The one error type for input a user can mend."""


class InputError(ValueError):
    """Bad input, told in one sentence that says how to mend it.

    Tools print the message and exit with code 2, without a traceback; library
    code raises it like any ``ValueError``. A message names what was wrong, the
    value received, what was expected and, where there is one, the command
    that mends it.
    """


def sentence_of(error: InputError) -> str:
    """What an error says, without the traceback that a loader's worker puts before it.

    Args:
        error: Raised here, or in a worker process of a data loader.
    """
    return str(error).rstrip().rpartition(f'{InputError.__name__}: ')[2]
