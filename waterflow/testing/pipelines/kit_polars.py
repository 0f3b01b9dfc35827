"""Steps that use polars, for where it is installed."""

import polars as pl

import waterflow as wf


@wf.step
def to_polars(whole: pl.DataFrame) -> pl.DataFrame:
    """Read a pandas DataFrame as one of polars, and return another."""
    return whole.select(pl.col("x"), (pl.col("y") * 2).alias("twice"))
