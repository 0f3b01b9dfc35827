"""Import rules over patterns of names, so that a new package under `providers/` needs no new rule.

`lint-imports` runs them as contracts of pyproject.toml: what import-linter itself takes are whole
names, and only of packages that its settings list. These read the packages from the folder.
"""

from __future__ import annotations

import copy
import functools
import re
import sys
from pathlib import Path
from typing import Any, Final

import grimp
from importlinter import Contract, ContractCheck, fields, output

ROOT: Final = Path(__file__).parents[1]

SETS: Final = {
    "SDK": (
        *("boto3", "botocore", "moto", "sagemaker", "azure", "google"),
        *("kfp", "kfp_*", "kubernetes"),
    ),
}
"""What a rule may name with one word. obstore is no SDK of one cloud: it serves all buckets."""


def packages(providers: Path = ROOT / "providers") -> list[str]:
    """Return the names of all packages in a folder of providers."""
    return sorted(path.parent.name for path in providers.glob("*/__init__.py"))


@functools.cache
def _graph() -> grimp.ImportGraph:
    folder = str(ROOT / "providers")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return grimp.build_graph(
        "waterflow",
        *packages(),
        include_external_packages=True,
        cache_dir=str(ROOT / ".import_linter_cache"),
    )


def project_graph() -> grimp.ImportGraph:
    """Return a graph of all imports of Waterflow and its providers, to be changed at will."""
    return copy.deepcopy(_graph())


def matches(module: str, patterns: Any) -> bool:
    """Say whether a module, or a package that holds it, has a name of one of the patterns.

    Args:
        module: A dotted name.
        patterns: Dotted names, in which `*` stands for what is no dot.
    """
    return any(_compiled(pattern).match(module) for pattern in patterns or ())


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", r"[^.]*") + r"(\.|$)")


class Forbidden(Contract):
    """Some modules import none of some others.

    Attributes:
        importers: Patterns of the modules that the rule is for.
        but: Patterns of those among them that it is not for.
        for_now: Patterns of those that it is to be for, once they have moved; one that no longer
            imports what it may not is told as a warning.
        forbidden: Patterns of what they do not import, and names of `SETS`.
        allowed: Patterns of what of it they may import.
        within: Whether modules of one top package may import each other all the same.
        indirect: Whether they may not reach it over other modules either.
    """

    type_name = "forbidden_by_pattern"

    importers = fields.SetField(subfield=fields.StringField())
    but = fields.SetField(subfield=fields.StringField(), required=False)
    for_now = fields.SetField(subfield=fields.StringField(), required=False)
    forbidden = fields.SetField(subfield=fields.StringField())
    allowed = fields.SetField(subfield=fields.StringField(), required=False)
    within = fields.BooleanField(required=False, default=False)
    indirect = fields.BooleanField(required=False, default=False)

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        """Check the project's own graph: the one that is handed in lacks the providers."""
        del graph, verbose
        chains, unused = self.breaches(project_graph())
        warnings = [
            f"{self.name}: for_now names {name}, which no longer needs it" for name in unused
        ]
        return ContractCheck(kept=not chains, metadata={"chains": chains}, warnings=warnings)

    def breaches(self, graph: grimp.ImportGraph) -> tuple[list[tuple[str, ...]], list[str]]:
        """Return the chains of imports that break the rule, and the `for_now` that none needs."""
        importers = sorted(
            module
            for module in graph.modules
            if matches(module, self.importers)
            and not matches(module, self.but)
            and not graph.is_module_squashed(module)
        )
        chains = [chain for module in importers for chain in self._chains(graph, module)]
        unused = [
            pattern
            for pattern in sorted(self.for_now or ())
            if not any(matches(chain[0], [pattern]) for chain in chains)
        ]
        return [chain for chain in chains if not matches(chain[0], self.for_now)], unused

    def _chains(self, graph: grimp.ImportGraph, importer: str) -> list[tuple[str, ...]]:
        if self.indirect:
            goals = sorted(module for module in graph.modules if self._forbids(importer, module))
            chains = (graph.find_shortest_chain(importer, goal) for goal in goals)
            return [chain for chain in chains if chain is not None]
        imported = sorted(graph.find_modules_directly_imported_by(importer))
        return [(importer, module) for module in imported if self._forbids(importer, module)]

    def _forbids(self, importer: str, module: str) -> bool:
        if self.within and importer.partition(".")[0] == module.partition(".")[0]:
            return False
        patterns = [one for name in self.forbidden for one in SETS.get(name, (name,))]
        return matches(module, patterns) and not matches(module, self.allowed)

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each chain of imports that breaks the rule."""
        for chain in check.metadata["chains"]:
            output.print_error(f"- {' -> '.join(chain)}", bold=False)


class Acyclic(Contract):
    """In no package of the top packages that match do the modules import each other in a circle.

    Attributes:
        packages: Patterns of top packages.
        for_now: Patterns of those that still have circles.
    """

    type_name = "acyclic_by_pattern"

    packages = fields.SetField(subfield=fields.StringField())
    for_now = fields.SetField(subfield=fields.StringField(), required=False)

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        """Check the project's own graph: the one that is handed in lacks the providers."""
        del graph, verbose
        circles = self.circles(project_graph())
        return ContractCheck(kept=not circles, metadata={"circles": circles})

    def circles(self, graph: grimp.ImportGraph) -> dict[str, set[tuple[str, str]]]:
        """Return the packages that hold circles, with imports whose removal would break them."""
        tops = {module.partition(".")[0] for module in graph.modules}
        waiting = [
            top
            for top in tops
            if matches(top, self.packages)
            and not matches(top, self.for_now)
            and not graph.is_module_squashed(top)
        ]
        circles: dict[str, set[tuple[str, str]]] = {}
        while waiting:
            package = waiting.pop()
            children = graph.find_children(package)
            waiting += children
            breakers = graph.nominate_cycle_breakers(package) if len(children) > 1 else set()
            if breakers:
                circles[package] = set(breakers)
        return circles

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the packages with circles, and what would break them."""
        for package, breakers in sorted(check.metadata["circles"].items()):
            output.print_error(f"A circle in {package}; without these imports there is none:")
            for importer, imported in sorted(breakers):
                output.print_error(f"- {importer} -> {imported}", bold=False)
