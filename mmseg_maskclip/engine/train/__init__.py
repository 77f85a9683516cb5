"""Training: runner, hooks, data order, evaluation, checkpoints, resuming."""
