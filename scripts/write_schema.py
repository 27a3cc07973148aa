"""Write the JSON schema of ``submission.json`` from its typed records (`microbench_tasks.submissions.manifest_model`).

Run it after each change of the records:

    python scripts/write_schema.py           # writes microbench_tasks/submissions/submission_schema.json
    python scripts/write_schema.py --check   # only compares; the exit status is 1 if the file is out of date
"""

from __future__ import annotations

import argparse
import sys

from microbench_tasks.submissions.json_schema import SCHEMA_FILE, format_schema


def main() -> None:
    """Write the schema, or compare it with the file."""
    parser = argparse.ArgumentParser(description="Write the JSON schema of submission.json from its typed records.")
    parser.add_argument("--check", action="store_true", help="only compare the file with the records")
    options = parser.parse_args()
    text = format_schema()
    if not options.check:
        SCHEMA_FILE.write_text(text, encoding="utf-8")
    elif SCHEMA_FILE.read_text(encoding="utf-8") != text:
        sys.exit(f"{SCHEMA_FILE} is out of date. Run python {sys.argv[0]}.")


if __name__ == "__main__":
    main()
