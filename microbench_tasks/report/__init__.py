"""Report runs: read them, compute what their samples show, and write one page with plots, tables and examples.

`runs` reads runs, `writing` writes the report. Each section has a module of its own.
"""
