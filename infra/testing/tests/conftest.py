"""What the tests of infra/ share: one policy pack, the schemas of the installed SDKs."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# gRPC tells on standard error whatever a server that ends says to its clients.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from standin import PolicyPack, Stack
from standin.cli import PulumiStack
from standin.schema import Schemas, schemas_of
from standin.stack import interpreter

INFRA = Path(__file__).parents[2]
pytest_plugins = ["suites.zones"]
STACKS = Path(__file__).parent / "stacks"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cli", action="store_true", help="drive stacks with pulumi itself")


@pytest.fixture(scope="session")
def open_stack(request: pytest.FixtureRequest) -> Iterator[Callable[..., Stack]]:
    """What opens a stack: the stand-in engine, or with --cli Pulumi's own."""
    opened: list[PulumiStack] = []

    def open_with_pulumi(*arguments: Any, **more: Any) -> PulumiStack:
        opened.append(PulumiStack(*arguments, **more))
        return opened[-1]

    yield open_with_pulumi if request.config.getoption("--cli") else Stack  # type: ignore[misc]
    for one in opened:
        one.close()


@pytest.fixture(scope="session")
def policies() -> Iterator[PolicyPack]:
    with PolicyPack(INFRA / "policy") as pack:
        yield pack


@pytest.fixture(scope="session")
def schemas() -> Schemas:
    return schemas_of(Path(sys.executable))


@pytest.fixture(scope="session")
def of_cloud(schemas: Schemas) -> Callable[[str], Schemas]:
    """What returns the schemas of a type's cloud: AWS's SDK is here, others' with their stacks."""
    others = {
        package: schemas_of(interpreter(INFRA / folder))
        for package, folder in (("azure-native", "azure"), ("gcp", "gcp"))
    }
    return lambda token: others.get(token.partition(":")[0], schemas)
