"""Commands that make the files of CLIP: weights, conversions, text embeddings."""
