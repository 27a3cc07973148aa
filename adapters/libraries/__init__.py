"""Models from checkpoints: one adapter for each library that loads them."""
