"""Load whatever checkpoint a user has: CLIP, official, trained, pretrained students."""
