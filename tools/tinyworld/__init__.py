"""The tables of docs/tinyworld.md, measured on the embedded world; no part of the package."""
