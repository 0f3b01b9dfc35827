"""Values of the table of arrays, from one process to another."""

from tests.values import table_arrays as table
from tests.values.checks import checks_of

TestArrays = checks_of(table)
