"""Make tables of pandas, which is imported only when a table is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def data_frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    """Return a table of rows with these columns.

    Raises:
        ImportError: pandas is not installed; the message says how to install it.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("Tables need pandas, which is not installed. Type: pip install pandas") from error
    return pd.DataFrame(list(rows), columns=list(columns))
