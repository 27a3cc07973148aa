"""Make the demo set: small synthetic micrographs for every dataset of the release, in its exact columns.

No download is needed, so that every task can be tried on a machine without a network. A seeded program makes the
drawings, each with its class clearly visible. A few tiles of the two real micrographs in scikit-image are added
(``real_tiles`` states source and licence). Scores on this set show that a model and the harness work; they say
nothing about microscopy.
"""
