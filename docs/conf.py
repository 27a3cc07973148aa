"""Configure Sphinx: ``sphinx-build -c docs . FOLDER`` builds all pages, from the root of the repository."""

from __future__ import annotations

from importlib import metadata

project = "Micro-Bench for lmms-eval"
author = copyright = "The Micro-Bench for lmms-eval authors"
release = metadata.version("microbench-lmms")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# The Python reference: names in single backticks of docstrings are code.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
# Docstrings name several attributes of one meaning on one line.
napoleon_use_ivar = False
root_doc = "docs/index"
# Pages link to each other as they do on the web page of the repository.
include_patterns = [
    "docs/**.md",
    "benchmarks/*.md",
    "adapters/demo_clip/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
]
myst_enable_extensions = ["colon_fence"]
# Links such as page.md#a-heading.
myst_heading_anchors = 3
suppress_warnings = [
    # The README and the demo model's card are linked to, not listed in the table of contents.
    "toc.not_included",
]
html_theme = "furo"
html_title = project
