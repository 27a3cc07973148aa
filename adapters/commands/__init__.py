"""Commands on checkpoints, behind the script ``microbench``: merge them, or evaluate merges along alpha."""
