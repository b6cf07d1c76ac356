"""The model: parity, checkpoints, fast inference."""
