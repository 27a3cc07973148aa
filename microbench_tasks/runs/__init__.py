"""Read runs of the harness from their logs, score them again, and compare them."""
