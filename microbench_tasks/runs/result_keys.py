"""Name results files, and their keys that the harness room writes beside the scores, and other rooms read."""

from microbench_tasks.catalog import settings

# End of the name of a results file, after the name of its run.
RESULTS_SUFFIX = "_results.json"

# Name of the model in the list of ``microbench run``.
NAME_IN_LIST = "microbench_name"
# Tasks that a model which only chooses among texts was not asked, with the reason.
LEFT_OUT = "microbench_left_out"
# Request counts of a model behind a server, and whether images may have been downscaled.
SERVED = "served_model"
# Setting that lets a run downscale images which a server refuses as too large.
SHRINK_SETTING = settings.SHRINK_IMAGES
# Setting by which a run asks a server for the probabilities of the first token.
LOGPROBS_SETTING = settings.LOGPROBS
