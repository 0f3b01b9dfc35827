"""Values of pandas, from one process to another."""

from tests.values import table_pandas as table
from tests.values.checks import checks_of

TestPandas = checks_of(table)
