"""Reading model responses: what of a response is its answer, and which option that answer states.

This package imports nothing of ours but the letters of options.
"""
