"""The command line: one module a command, a parser and a call into ``apis`` or ``engine``.

Nothing heavy is imported before the command line is parsed, so that ``--help``
and typing errors answer at once.
"""
