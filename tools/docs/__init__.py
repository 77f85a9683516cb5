"""Tables of the documentation, made from configs/*/metafile.yml; no part of the package."""
