"""A pipeline written in YAML: traced by the same tracer, so its spec is the one Python gives."""

from __future__ import annotations

import difflib
import functools
import sys
from typing import TYPE_CHECKING, Any, Final, cast

from msgspec import UNSET

from waterflow.errors import MissingDependencyError, WaterflowError
from waterflow.language.cron import check_schedule
from waterflow.language.gathering import tolerated
from waterflow.language.inside import register, when
from waterflow.language.options import check_name
from waterflow.language.parameters import declare
from waterflow.language.pipeline import Call, Pipeline
from waterflow.language.signature import NO_DEFAULT, Argument
from waterflow.language.step import Step, container
from waterflow.language.trace import current, require
from waterflow.language.types import Data, Secret
from waterflow.language.values import located
from waterflow.packing.script import import_definitions
from waterflow.yaml_pipeline.document import (
    CallPart,
    ContainerPart,
    Entry,
    MapPart,
    OptionsPart,
    ParameterPart,
    RegisterPart,
    WhenPart,
    read_document,
    read_entry,
)
from waterflow.yaml_pipeline.reader import Place, Source
from waterflow.yaml_pipeline.references import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PYTHON: Final[dict[str, Any]] = {
    "integer": int, "number": float, "boolean": bool, "string": str, "json": Any, "data": Data,
}  # fmt: skip


def load(path: Path, root: Path) -> YamlPipeline:
    """Read a pipeline from a YAML file and import the steps that it names.

    Args:
        path: The file.
        root: The project's root, from which the steps' modules are seen.

    Raises:
        DefinitionError: The file is no YAML, has an unknown key, or names what is no step.
        MissingDependencyError: A step's module imports a library that is not installed.
    """
    for folder in (root / "src", root):
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    return YamlPipeline(Source(path))


class YamlPipeline(Pipeline[..., None]):
    """A pipeline that a YAML file defines.

    Args:
        source: The file.
    """

    def __init__(self, source: Source) -> None:
        document = read_document(source)
        self._source = source
        self._document = document
        self.name = document.pipeline
        self.schedule = document.schedule
        self.trusted_types = tuple(document.trusted_types)
        with located(source.location(("pipeline",))):
            check_name(self.name, "pipeline")
        if self.schedule is not None:
            with located(source.location(("schedule",))):
                check_schedule(self.schedule)
        self._entries = _read(source, document.steps, ("steps",))
        self._steps: dict[str, Step[Any, Any]] = {}
        for place, entry in _all(self._entries):
            if isinstance(entry, CallPart):
                self._steps[entry.call] = self._import(entry.call, (*place, "call"))
            elif isinstance(entry, MapPart):
                self._steps[entry.function] = self._import(entry.function, (*place, "map"))

    def __call__(self, **values: Any) -> Call:
        """Return the pipeline with these parameters, given by name.

        Raises:
            DefinitionError: An unknown parameter, or a value of another type.
        """
        trace = current()
        if trace is not None:
            return cast("Call", self._nested(trace, None, values))
        return self.with_arguments(values)

    @functools.cached_property
    def arguments(self) -> dict[str, Argument]:
        """The parameters as the file declares them."""
        return {
            name: self._argument(name, part) for name, part in self._document.parameters.items()
        }

    @property
    def source(self) -> Path:
        """The YAML file."""
        return self._source.path

    @property
    def location(self) -> str:
        """`file:line` of the definition, for messages."""
        return self._source.location(("pipeline",))

    @property
    def description(self) -> str:
        """What the pipeline is for: the first paragraph of its description, on one line."""
        return " ".join(self._document.description.strip().split("\n\n")[0].split())

    def define(self, bindings: dict[str, Any]) -> None:
        """Make the pipeline's calls, for the trace under way.

        Raises:
            DefinitionError: A reference to nothing, values that do not fit, and so on.
        """
        scope = Scope(self._source, bindings, _names(self._entries))
        _Definition(self._source, scope, self._steps).run(self._entries)

    def _argument(self, name: str, part: ParameterPart) -> Argument:
        place = ("parameters", name)
        if not name.isidentifier():
            raise self._source.error(
                f"{name!r} cannot name a parameter: use letters, digits and '_'.", place
            )
        with located(self._source.location(place)):
            check_name(name, "parameter")
            default: Any = NO_DEFAULT if part.default is UNSET else part.default
            if part.kind == "data" and isinstance(default, str):
                default = Data(default)
        # Checked here, and again with all others, because only here its line is known.
        argument = Argument(
            name,
            _PYTHON[part.kind],
            part.kind,
            default,
            part.optional or default is None,
            tuple(part.choices),
            part.static,
        )
        declare(self.name, {name: argument}, self._source.location(place))
        return argument

    def _import(self, text: str, place: Place) -> Step[Any, Any]:
        module_name, colon, name = text.partition(":")
        if not colon or not name.isidentifier() or not module_name:
            raise self._source.error(
                f"{text!r} names no function. Write package.module:function.", place
            )
        module = self._module(module_name, place)
        step = getattr(module, name, None)
        if isinstance(step, Step):
            return step  # pyright: ignore[reportUnknownVariableType]
        if step is None:
            steps = [key for key, value in vars(module).items() if isinstance(value, Step)]
            raise self._source.error(
                f"Module '{module_name}' has no '{name}'. Its steps: {', '.join(steps) or 'none'}.",
                place,
            )
        raise self._source.error(
            f"{text} is no step but a {type(step).__name__}. Put @wf.step on the function.", place
        )

    def _module(self, name: str, place: Place) -> Any:
        try:
            return import_definitions(name)
        except WaterflowError:
            raise
        except ModuleNotFoundError as error:
            missing = error.name or name
            if name == missing or name.startswith(f"{missing}."):
                raise self._source.error(
                    f"There is no module '{missing}', seen from the project's root. "
                    "Check the name.",
                    place,
                ) from None
            raise MissingDependencyError(missing.partition(".")[0], f"Module '{name}'") from error
        except Exception as error:
            raise self._source.error(
                f"Module '{name}' cannot be imported: {type(error).__name__}: {error}.", place
            ) from error


Entries = list[tuple["Place", "Entry", "Entries", "Entries"]]
"""Entries with their places, and, of a gate, those of its two sides."""


def _read(source: Source, raw: list[dict[str, Any]], place: Place) -> Entries:
    entries: Entries = []
    for at, item in enumerate(raw):
        here = (*place, at)
        entry = read_entry(source, item, here)
        sides: list[Entries] = [[], []]
        if isinstance(entry, WhenPart):
            sides = [
                _read(source, entry.then, (*here, "then")),
                _read(source, entry.otherwise, (*here, "otherwise")),
            ]
        entries.append((here, entry, sides[0], sides[1]))
    return entries


def _all(entries: Entries) -> Iterator[tuple[Place, Entry]]:
    for place, entry, then, otherwise in entries:
        yield place, entry
        yield from _all(then)
        yield from _all(otherwise)


def _names(entries: Entries) -> Iterator[str]:
    """Yield the names that steps will have, as far as the file says."""
    for _, entry in _all(entries):
        if isinstance(entry, CallPart):
            yield entry.step or entry.call.rpartition(":")[2]
        elif isinstance(entry, MapPart):
            yield entry.step or entry.function.rpartition(":")[2]
        elif isinstance(entry, ContainerPart):
            yield entry.container.name
        elif isinstance(entry, RegisterPart):
            yield "register"


class _Definition:
    """Makes the calls of one definition."""

    def __init__(self, source: Source, scope: Scope, steps: dict[str, Step[Any, Any]]) -> None:
        self.source, self.scope, self.steps = source, scope, steps
        self.trace = require("A pipeline's definition")

    def run(self, entries: Entries) -> None:
        for place, entry, then, otherwise in entries:
            if isinstance(entry, WhenPart):
                self._gate(entry, place, then, otherwise)
                continue
            with tolerated():
                make = self._maker(entry, place)
                with located(self.source.location(place)):
                    result = make()
                self.scope.add(next(reversed(self.trace.steps)), result, place)

    def _maker(
        self, entry: CallPart | MapPart | ContainerPart | RegisterPart, place: Place
    ) -> Callable[[], object]:
        if isinstance(entry, CallPart):
            return self._call(entry, place)
        if isinstance(entry, MapPart):
            return self._map(entry, place)
        if isinstance(entry, ContainerPart):
            return self._container(entry, place)
        return self._register(entry, place)

    def _gate(self, entry: WhenPart, place: Place, then: Entries, otherwise: Entries) -> None:
        condition = self.scope.condition(entry.when, (*place, "when"))
        with located(self.source.location((*place, "when"))):
            gate = when(condition)
        with gate:
            self.run(then)
        if otherwise:
            with gate.otherwise():
                self.run(otherwise)

    def _call(self, entry: CallPart, place: Place) -> Callable[[], object]:
        step = self._configured(entry, self.steps[entry.call], place)
        arguments = self._arguments(step, entry.arguments, (*place, "with"))
        return lambda: step(**arguments)

    def _map(self, entry: MapPart, place: Place) -> Callable[[], object]:
        step = self._configured(entry, self.steps[entry.function], place)
        fixed = self._arguments(step, entry.arguments, (*place, "with"))
        over: Any = self.scope.value(entry.over, (*place, "over"))
        return lambda: self.trace.map(step, over, fixed, entry.fan_out, entry.on_error)

    def _container(self, entry: ContainerPart, place: Place) -> Callable[[], object]:
        part, here = entry.container, (*place, "container")
        inputs = self._values(part.inputs, (*here, "inputs"))
        parameters = self._values(part.parameters, (*here, "parameters"))
        options = self._options(entry.options, (*place, "options"))
        return lambda: container(
            name=part.name,
            image=part.image,
            command=part.command,
            inputs=inputs,
            outputs=part.outputs,
            parameters=parameters,
            **options,
        )

    def _register(self, entry: RegisterPart, place: Place) -> Callable[[], object]:
        part, here = entry.register, (*place, "register")
        chosen = self._values(
            {"model": part.model, "example": part.example, "metrics": part.metrics}, here
        )
        options = self._options(entry.options, (*place, "options"))
        if "metrics" in options:
            raise self.source.error(
                "A step that registers a model prints nothing to read metrics from. Write the "
                "version's metrics below `register`.",
                (*place, "options", "metrics"),
            )
        named: Any = self.scope.value(part.name, (*here, "name"))
        alias: Any = self.scope.value(part.alias, (*here, "alias"))
        return lambda: register(name=named, alias=alias, **chosen, **options)

    def _configured(
        self, entry: CallPart | MapPart, step: Step[Any, Any], place: Place
    ) -> Step[Any, Any]:
        changes = self._options(entry.options, (*place, "options"))
        if entry.step is not None:
            changes["name"] = entry.step
        if not changes:
            return step
        with located(self.source.location((*place, "options" if entry.options else "step"))):
            return step.options(**changes)

    def _options(self, part: OptionsPart, place: Place) -> dict[str, Any]:
        changes = {
            name: getattr(part, name)
            for name in part.__struct_fields__
            if getattr(part, name) is not UNSET
        }
        if "secrets" in changes:
            changes["secrets"] = {key: Secret(name) for key, name in changes["secrets"].items()}
        if "after" in changes:
            changes["after"] = [
                self.scope.step(text, (*place, "after", at))
                for at, text in enumerate(changes["after"])
            ]
        return changes

    def _values(self, texts: dict[str, Any], place: Place) -> dict[str, Any]:
        return {key: self.scope.value(raw, (*place, key)) for key, raw in texts.items()}

    def _arguments(
        self, step: Step[Any, Any], texts: dict[str, Any], place: Place
    ) -> dict[str, Any]:
        known = step.signature.arguments
        arguments: dict[str, Any] = {}
        for name, raw in texts.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f" Did you mean '{near[0]}'?" if near else ""
                raise self.source.error(
                    f"Step function '{step.function.__name__}' takes no '{name}'.{hint} "
                    f"It takes: {', '.join(known) or 'nothing'}.",
                    (*place, name),
                )
            arguments[name] = self.scope.value(raw, (*place, name), known[name].type)
        return arguments
