"""The answer of a multiple-choice response: the letter by the paper's rule and by the strict rule."""
