"""The script ``microbench``: one module for each command, and `program`, which parses and runs them."""
