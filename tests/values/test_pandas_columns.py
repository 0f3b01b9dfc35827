"""Columns of pandas, from one process to another."""

from tests.values import table_pandas_columns as table
from tests.values.checks import checks_of

TestColumns = checks_of(table)
