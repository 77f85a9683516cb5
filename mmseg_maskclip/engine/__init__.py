"""How a run works: config, data and model, inference, testing, what is recorded."""
