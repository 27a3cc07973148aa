"""Patch internals of lmms-eval, the harness, where it has no hook for what the tasks need.

`table` lists the patches, `targets` finds what they replace, `patch` defines and `installation` installs them. Patches
are independent of each other. In a version of the harness that differs, only those that do not fit are left out. One
warning then says what a run lacks without them.
"""
