"""Micro-Bench as tasks of the evaluation harness lmms-eval."""
