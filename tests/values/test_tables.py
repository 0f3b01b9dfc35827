"""Values of the table of tables, from one process to another."""

from tests.values import table_tables as table
from tests.values.checks import checks_of

TestTables = checks_of(table)
