"""Metrics as pure functions of numpy arrays; nothing here knows the harness."""
