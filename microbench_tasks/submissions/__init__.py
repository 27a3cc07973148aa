"""Build, check and verify submissions of runs."""
