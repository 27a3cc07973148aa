"""Parts of the harness that `microbench_adapters` changes or relies on; listed here, installed there."""

from __future__ import annotations

from microbench_tasks.harness.patches.patch import Patch, replace
from microbench_tasks.harness.patches.targets import EVALUATE

MODEL_REGISTRY = Patch(
    name="models of this package",
    replacement=replace("lmms_eval.models.registry_v2:ModelManifest", "model_id simple_class_path", None),
    why="Models are registered with the harness through this class.",
    lost="The models of this package are not found by name.",
    removable="The harness accepts models from an entry point under a stable interface.",
    elsewhere="microbench_adapters.manifests",
)

MODEL_LIST = Patch(
    name="list of models",
    replacement=replace("lmms_eval.models:AVAILABLE_SIMPLE_MODELS", "", None),
    why="The command lmms_eval models does not list models of other packages.",
    lost="lmms_eval models does not list the models of this package; they can still be run.",
    removable="lmms_eval models lists models of other packages.",
    elsewhere="microbench_adapters.manifests",
)

RECORDED_WEIGHTS = Patch(
    name="weights in the results",
    replacement=replace(EVALUATE, "lm response_cache", None),
    why="The harness records a model's arguments, but not the weights; its cache tells models apart by arguments.",
    lost="Results of contrastive models do not say which weights were loaded.",
    removable="The harness lets a model add to the results and to the cache keys.",
    elsewhere="microbench_adapters.models.provenance",
)
