"""Add models to lmms-eval: contrastive, generative, merged, and one at random. Nothing here knows Micro-Bench."""
