"""From whatever checkpoint a user has to a model: CLIP, official, trained, pretrained students."""
