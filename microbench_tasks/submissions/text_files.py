"""Write the text files of a submission, all derived from its manifest."""

from __future__ import annotations

from microbench_tasks.submissions import hub_formats, model_card
from microbench_tasks.submissions.manifest_model import ManifestCore

CARD = "README.md"

EVAL_RESULTS = ".eval_results/microbench.yaml"

# Data other than the release are named in a file's name, too.
DATA_MARKS = {"demo": "DEMO-DATA.txt", "local": "LOCAL-DATA.txt", "own": "OWN-DATA.txt"}


def render_texts(manifest: ManifestCore) -> dict[str, str]:
    """Return the content of each text file by its name."""
    kind = manifest.data.kind
    texts = {CARD: model_card.render_card(manifest)}
    if kind in DATA_MARKS:
        return texts | {DATA_MARKS[kind]: f"{model_card.data_warning(manifest)}\n"}
    entries = hub_formats.render_eval_results(manifest)
    return texts | ({EVAL_RESULTS: entries} if entries else {})
