"""Read runs of the harness from their logs, score them again, and measure prompt sensitivity."""
