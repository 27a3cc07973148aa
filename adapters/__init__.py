"""Add models to lmms-eval: contrastive, generative and merged ones, and a random one. Nothing here knows Micro-Bench."""
