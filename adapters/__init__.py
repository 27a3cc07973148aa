"""Contrastive models and PaliGemma for lmms-eval. Nothing here knows Micro-Bench."""
