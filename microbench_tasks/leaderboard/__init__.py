"""Rank submissions: `entries` reads them, `ranking` compares the models, `files` writes the leaderboard.

Only answers to the same questions are compared. Submissions on different data, or of different versions of the tasks,
get separate rankings. Every score is computed from the answers; scores stated in a submission are ignored.
"""
