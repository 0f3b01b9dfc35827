"""Plain data, from one process to another."""

from tests.values import table_plain as table
from tests.values.checks import checks_of

TestPlain = checks_of(table)
