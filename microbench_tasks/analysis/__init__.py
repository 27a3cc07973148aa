"""Compare runs and submissions question by question."""
