"""The import rules of pyproject.toml: a breach of each is caught, in a provider yet to come too."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

import pytest
from importlinter.contracts.layers import LayersContract

from tests import import_rules

if TYPE_CHECKING:
    from pathlib import Path

    from grimp import ImportGraph

SETTINGS: dict[str, Any] = tomllib.loads((import_rules.ROOT / "pyproject.toml").read_text())
LINTER = SETTINGS["tool"]["importlinter"]
# import-linter hands its contracts true and false as texts.
CONTRACTS = {
    contract["name"]: {
        key: str(value) if isinstance(value, bool) else value for key, value in contract.items()
    }
    for contract in LINTER["contracts"]
}

STOREYS = "The core's storeys: nothing imports what stands above it"
CIRCLES = "No import goes round in a circle, for types neither"
MIDDLE = "The core knows neither of the storeys above it"
CLOUDS = "Neither the core nor the middle knows a provider or a cloud"
EACH_OTHER = "Providers know the core and the middle, and not each other"
DOORS = "A provider meets its SDK at few doors"
PURE = "A provider's translation is pure: it reaches no SDK, over other modules neither"
TEST_KIT = "Nothing in production imports the test kit"
EMULATORS = "Nothing in production imports an emulator, or what emulators are made of"
PULUMI = "Nothing imports Pulumi: what provisions clouds stands outside the application"
JOBS = "What ships into jobs stands on the standard library"

TYPES = {
    "layers": LayersContract,
    "forbidden_by_pattern": import_rules.Forbidden,
    "acyclic_by_pattern": import_rules.Acyclic,
}

BREACHES = [
    (STOREYS, "waterflow.spec.document", "waterflow.cli.group"),
    (CIRCLES, "waterflow.errors", "waterflow.spec.document"),
    (CIRCLES, "waterflow_planted.compiler", "waterflow_planted.provider"),
    (MIDDLE, "waterflow.runs.submit", "waterflow.cloud.objects"),
    (MIDDLE, "waterflow.runs.submit", "waterflow.emulation"),
    (CLOUDS, "waterflow.runs.submit", "waterflow_planted"),
    (CLOUDS, "waterflow.runs.submit", "waterflow_local.runner"),
    (CLOUDS, "waterflow.cloud.objects", "boto3"),
    (CLOUDS, "waterflow.testing.conformance", "waterflow_planted.provider"),
    (PULUMI, "waterflow.provider.base", "pulumi"),
    (EACH_OTHER, "waterflow_planted.compiler", "waterflow_sagemaker.machines"),
    (EACH_OTHER, "waterflow_sagemaker.compiler", "waterflow_planted.compiler"),
    (DOORS, "waterflow_planted.provider", "boto3"),
    (DOORS, "waterflow_planted.provider", "google"),
    (PULUMI, "waterflow_planted.service", "pulumi_aws"),
    (PURE, "waterflow_planted.compiler", "kfp"),
    (PURE, "waterflow_planted.compiler", "waterflow_planted.service"),
    (TEST_KIT, "waterflow.runs.submit", "waterflow.testing.world"),
    (TEST_KIT, "waterflow_planted.provider", "waterflow.testing.world"),
    (EMULATORS, "waterflow_planted.provider", "waterflow_planted.emulator.server"),
    (EMULATORS, "waterflow_planted.service", "waterflow.emulation"),
    (JOBS, "waterflow.runtime.execute", "msgspec"),
]

ALLOWED = [
    (DOORS, "waterflow_planted.service", "azure"),
    (DOORS, "waterflow_planted.emulator.server", "moto"),
    (EACH_OTHER, "waterflow_planted.compiler", "waterflow_kfp.document"),
    (EACH_OTHER, "waterflow_planted.provider", "waterflow.cloud.objects"),
    (EMULATORS, "waterflow_planted.emulator.server", "waterflow.emulation"),
    (TEST_KIT, "waterflow.testing.conformance", "waterflow.testing.world"),
]

SQUASHED = ("boto3", "google", "azure", "moto", "kfp", "pulumi", "pulumi_aws", "msgspec")


@pytest.fixture
def graph() -> ImportGraph:
    """The project's imports, with a provider that stands there and imports its own SDK."""
    graph = import_rules.project_graph()
    for module in ("provider", "compiler", "service", "emulator", "emulator.server"):
        graph.add_module(f"waterflow_planted.{module}")
    for module in ("waterflow_planted", "waterflow_kfp", "waterflow_kfp.document"):
        graph.add_module(module)
    for module in {"waterflow.cloud", "waterflow.cloud.objects"} - graph.modules:
        graph.add_module(module)
    for module in set(SQUASHED) - graph.modules:
        graph.add_module(module, is_squashed=True)
    for imported in ("compiler", "service"):
        graph.add_import(
            importer="waterflow_planted.provider", imported=f"waterflow_planted.{imported}"
        )
    graph.add_import(importer="waterflow_planted.service", imported="azure")
    return graph


def broken(name: str, graph: ImportGraph) -> Any:
    """Return what of a contract is broken by a graph's imports; nothing that is true where none."""
    options = CONTRACTS[name]
    contract = TYPES[options["type"]](name, {"root_packages": ["waterflow"], **LINTER}, options)
    if isinstance(contract, import_rules.Forbidden):
        return contract.breaches(graph)[0]
    if isinstance(contract, import_rules.Acyclic):
        return contract.circles(graph)
    return not contract.check(graph, verbose=False).kept


@pytest.mark.parametrize(("name", "importer", "imported"), BREACHES)
def test_a_planted_breach_is_caught(
    graph: ImportGraph, name: str, importer: str, imported: str
) -> None:
    assert not broken(name, graph)
    graph.add_import(importer=importer, imported=imported)
    chains = broken(name, graph)
    assert chains
    if CONTRACTS[name]["type"] == "forbidden_by_pattern":
        assert {chain[:2] for chain in chains} == {(importer, imported)}


@pytest.mark.parametrize(("name", "importer", "imported"), ALLOWED)
def test_what_the_rules_allow_is_no_breach(
    graph: ImportGraph, name: str, importer: str, imported: str
) -> None:
    graph.add_import(importer=importer, imported=imported)
    assert not broken(name, graph)


def test_every_rule_has_a_breach_here() -> None:
    assert {name for name, _, _ in BREACHES} == CONTRACTS.keys()


def test_no_rule_names_a_provider_but_for_now_and_the_neutral_one() -> None:
    names = {
        name
        for contract in CONTRACTS.values()
        for key, patterns in contract.items()
        if isinstance(patterns, list) and key != "for_now"
        for name in patterns
        if name.startswith("waterflow_")
    }
    assert {name for name in names if not name.startswith("waterflow_*")} == {"waterflow_kfp"}


def test_what_stands_in_the_folder_of_providers_is_read(tmp_path: Path) -> None:
    (tmp_path / "waterflow_planted").mkdir()
    (tmp_path / "waterflow_planted" / "__init__.py").touch()
    (tmp_path / "notes").mkdir()
    assert import_rules.packages(tmp_path) == ["waterflow_planted"]
    assert "waterflow_local" in import_rules.packages()


def test_an_exception_that_nothing_needs_any_more_is_told() -> None:
    options = CONTRACTS[DOORS]
    settled = "waterflow_*.provider"
    contract = import_rules.Forbidden(
        DOORS, {}, {**options, "for_now": [*options.get("for_now", []), settled]}
    )
    assert settled in contract.breaches(import_rules.project_graph())[1]
