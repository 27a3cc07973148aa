"""Add models to lmms-eval: contrastive, generative and merged ones, and random answers. Nothing here knows Micro-Bench."""
