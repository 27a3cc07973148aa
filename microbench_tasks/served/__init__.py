"""Models behind a server: which faults end a run, what is asked again, and how replies are kept."""
