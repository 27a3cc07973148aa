"""Render HTML pages and plots: data in, HTML or figures out."""
