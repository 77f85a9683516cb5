"""The command line: a module per command, each a parser and one call into ``engine``."""
