"""The hot path: moves bytes between clients and targets."""
