"""Connect the tasks to lmms-eval: entry points, launcher, checks before a run, and patches."""
