"""What the tests of infra/ share: one policy pack, the schemas of the installed SDKs."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# gRPC tells on standard error whatever a server that ends says to its clients.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from standin import PolicyPack
from standin.schema import Schemas, schemas_of

INFRA = Path(__file__).parents[2]
STACKS = Path(__file__).parent / "stacks"


@pytest.fixture(scope="session")
def policies() -> Iterator[PolicyPack]:
    with PolicyPack(INFRA / "policy") as pack:
        yield pack


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    return schemas_of(Path(sys.executable))
