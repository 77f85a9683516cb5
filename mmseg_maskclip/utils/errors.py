"""The one error type for input a user can mend."""


class InputError(ValueError):
    """Bad input, told in one sentence that says how to mend it.

    Tools print the message and exit with code 2, without a traceback; library
    code raises it like any ``ValueError``. A message names what was wrong, the
    value received, what was expected and, where there is one, the command
    that mends it.
    """
