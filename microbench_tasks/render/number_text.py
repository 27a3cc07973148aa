"""Format shares, differences and p-values as text."""

from __future__ import annotations

import math

# The smallest p-value that is shown: the smallest that 9,999 draws can give.
_SMALLEST_SHOWN = 1e-4


def percent(value: float, decimals: int = 2) -> str:
    """Format a share in percent; a dash for NaN."""
    return "–" if math.isnan(value) else f"{100 * value:.{decimals}f}"


def short_percent(value: float) -> str:
    """Format a share in percent with one decimal, as pages and summaries of runs show it; a dash for NaN."""
    return percent(value, decimals=1)


def points(difference: float) -> str:
    """Format a difference in percentage points with its sign."""
    # Adding 0 turns -0.0 into 0.0.
    return f"{round(100 * difference, 2) + 0:+.2f}"


def p_value(p: float) -> str:
    """Format a p-value."""
    return f"p ≤ {_SMALLEST_SHOWN:.4f}" if p <= _SMALLEST_SHOWN else f"p = {p:.4f}"


def bare_p(p: float) -> str:
    """Format a p-value for a column that says what it is."""
    return p_value(p).removeprefix("p ").removeprefix("= ")
