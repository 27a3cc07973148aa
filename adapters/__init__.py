"""Contrastive models for lmms-eval. Nothing here knows Micro-Bench."""
