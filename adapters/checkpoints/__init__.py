"""Checkpoints: the registry of named ones, reading weights, checking that they fit, merging them."""
