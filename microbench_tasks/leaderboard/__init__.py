"""Rank submissions: `entries` reads them, `ranking` compares the models, `files` writes what is found.

Only answers to the same questions are compared: submissions on other data, or of another version of
the tasks, are ranked apart. Every figure is computed from the answers; those that a submission states are not read.
"""
