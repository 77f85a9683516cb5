"""Class names to text embeddings: vocabularies, templates, the text tower, text banks."""
