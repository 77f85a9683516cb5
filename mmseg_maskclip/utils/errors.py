"""The one error type for input that a user can fix."""


class InputError(ValueError):
    """Wrong input; the message is one sentence that says how to fix it.

    Tools print the message and exit with code 2, without a traceback; library
    code raises it like any ``ValueError``. A message names what was wrong, what
    was expected, the value it got and, where there is one, the command that
    fixes it.
    """


class TooSmallError(InputError):
    """An image has too few pixels for the model, at the size that it sees: others may do."""


def sentence_of(error: InputError) -> str:
    """What an error says, without the traceback that a loader's worker puts before it.

    Args:
        error: Raised here, or in a worker process of a data loader.
    """
    # torch re-raises a worker's error as the same type with its traceback as the message.
    return str(error).rstrip().rpartition(f'{InputError.__name__}: ')[2]


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that there is not enough memory: nothing is broken."""
    # torch has a class for the GPU alone, and its own words for the CPU.
    return (isinstance(error, MemoryError) or type(error).__name__ == 'OutOfMemoryError'
            or 'DefaultCPUAllocator' in str(error))
