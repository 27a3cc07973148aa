"""Evaluate the models of a list one after another in one process (``microbench run``)."""
