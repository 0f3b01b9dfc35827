"""The landing zones' programs, as far as they are plain Python: no Pulumi is installed here."""

import importlib
import sys
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.infra.chain")

INFRA = Path(__file__).parents[2] / "infra"
sys.path[:0] = [str(INFRA / "aws"), str(INFRA / "common")]


def part(cloud, name):
    """Return a module of another cloud's zone: all clouds' packages have one name."""
    aside = _taken()
    sys.path.insert(0, str(INFRA / cloud))
    try:
        return importlib.import_module(f"landing_zone.{name}")
    finally:
        sys.path.remove(str(INFRA / cloud))
        _taken()
        sys.modules.update(aside)


def _taken():
    """Take the package that is imported out of what is."""
    return {one: sys.modules.pop(one) for one in [*sys.modules] if one.startswith("landing_zone")}
