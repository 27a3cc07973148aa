"""Load the benchmark's data: from a setting to checked documents."""
