"""Evaluate models behind a server: classify errors, retry, stop runs that cannot succeed, and log replies."""
