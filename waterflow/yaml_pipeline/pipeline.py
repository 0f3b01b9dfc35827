"""A pipeline written in YAML: traced by the same tracer, so its spec is the one Python gives."""

from __future__ import annotations

import difflib
import functools
import sys
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET

from waterflow.language.cron import check_schedule
from waterflow.language.gathering import tolerated
from waterflow.language.groups import call_nested, check_returned
from waterflow.language.inside import register, when
from waterflow.language.options import check_name
from waterflow.language.parameters import declare
from waterflow.language.pipeline import Pipeline
from waterflow.language.places import located
from waterflow.language.signature import NO_DEFAULT, Argument
from waterflow.language.step import Step, container
from waterflow.language.trace import require
from waterflow.language.types import Data, Secret
from waterflow.language.values import GroupSymbol, definition_error
from waterflow.yaml_pipeline.document import (
    CallPart,
    ContainerPart,
    Entry,
    MapPart,
    OptionsPart,
    ParameterPart,
    PipelinePart,
    RegisterPart,
    WhenPart,
    read_document,
    read_entry,
)
from waterflow.yaml_pipeline.importing import imported_pipeline, imported_step
from waterflow.yaml_pipeline.reader import Place, Source
from waterflow.yaml_pipeline.references import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
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


class YamlPipeline(Pipeline[..., Any]):
    """A pipeline that a YAML file defines.

    Args:
        source: The file.
        callers: The files of the pipelines that call it, the outermost first.
    """

    def __init__(self, source: Source, callers: tuple[Path, ...] = ()) -> None:
        document = read_document(source)
        self._callers = callers
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
        self._pipelines: dict[str, Pipeline[..., Any]] = {}
        for place, entry in _all(self._entries):
            if isinstance(entry, CallPart):
                self._steps[entry.call] = imported_step(source, entry.call, (*place, "call"))
            elif isinstance(entry, MapPart):
                step = imported_step(source, entry.function, (*place, "map"))
                self._steps[entry.function] = step
            elif isinstance(entry, PipelinePart):
                nested = self._nested_pipeline(entry.pipeline, (*place, "pipeline"))
                self._pipelines[entry.pipeline] = nested

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if args:
            raise definition_error(
                f"Pipeline '{self.name}' stands in a YAML file: give its parameters by name."
            )
        return kwargs

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

    def define(self, bindings: dict[str, Any]) -> Any:
        """Make the pipeline's calls, for the trace under way, and return what `returns` names.

        Raises:
            DefinitionError: A reference to nothing, values that do not fit, and so on.
        """
        scope = Scope(self._source, bindings, self._names())
        _Definition(self._source, scope, self._steps, self._pipelines).run(self._entries)
        returned = self._document.returns
        if returned is None:
            return None
        place = ("returns",)
        if isinstance(returned, dict) and list(returned) != ["first"]:
            result = {key: scope.value(raw, (*place, key)) for key, raw in returned.items()}
        else:
            result = scope.value(returned, place)
        check_returned(result, self.name, self._source.location(place))
        return result

    def _names(self) -> Iterator[str]:
        """Yield the names that steps and groups will have, as far as the file says."""
        for _, entry in _all(self._entries):
            if isinstance(entry, CallPart):
                yield entry.step or entry.call.rpartition(":")[2]
            elif isinstance(entry, MapPart):
                yield entry.step or entry.function.rpartition(":")[2]
            elif isinstance(entry, PipelinePart):
                yield entry.group or self._pipelines[entry.pipeline].name
            elif isinstance(entry, ContainerPart):
                yield entry.container.name
            elif isinstance(entry, RegisterPart):
                yield entry.step or "register"

    def _nested_pipeline(self, text: str, place: Place) -> Pipeline[..., Any]:
        if not text.endswith((".yaml", ".yml")):
            return imported_pipeline(self._source, text, place)
        path = (self.source.parent / text).resolve()
        files = [*self._callers, self.source.resolve()]
        if path in files:
            names = " -> ".join(one.name for one in [*files[files.index(path) :], path])
            raise self._source.error(f"Pipeline file '{path.name}' calls itself: {names}.", place)
        if not path.is_file():
            raise self._source.error(
                f"There is no file '{text}' beside this one. Write its path as seen from here, or "
                "package.module:pipeline.",
                place,
            )
        return YamlPipeline(Source(path), tuple(files))

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


class _Definition:
    """Makes the calls of one definition."""

    def __init__(
        self,
        source: Source,
        scope: Scope,
        steps: dict[str, Step[Any, Any]],
        pipelines: dict[str, Pipeline[..., Any]],
    ) -> None:
        self.source, self.scope, self.steps, self.pipelines = source, scope, steps, pipelines
        self.trace = require("A pipeline's definition")

    def run(self, entries: Entries) -> None:
        for place, entry, then, otherwise in entries:
            if isinstance(entry, WhenPart):
                self._gate(entry, place, then, otherwise)
                continue
            with tolerated():
                if isinstance(entry, PipelinePart):
                    self._group(entry, place)
                    continue
                make = self._maker(entry, place)
                with located(self.source.location(place)):
                    result = make()
                step = self.trace.own_name(next(reversed(self.trace.steps)))
                self.scope.add(step, result, place)

    def _group(self, entry: PipelinePart, place: Place) -> None:
        pipeline = self.pipelines[entry.pipeline]
        owner = f"Pipeline '{pipeline.name}'"
        values = self._arguments(owner, pipeline.arguments, entry.arguments, (*place, "with"))
        before = len(self.trace.groups)
        with located(self.source.location(place)):
            if entry.group is not None:
                check_name(entry.group, "group of steps")
            result = call_nested(pipeline, self.trace, entry.group, values)
        group = list(self.trace.groups)[before]
        whole = GroupSymbol(group, self.trace)
        self.scope.add(self.trace.own_name(group), result, place, whole)

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
        arguments = self._step_arguments(step, entry.arguments, (*place, "with"))
        return lambda: step(**arguments)

    def _map(self, entry: MapPart, place: Place) -> Callable[[], object]:
        step = self._configured(entry, self.steps[entry.function], place)
        fixed = self._step_arguments(step, entry.arguments, (*place, "with"))
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
        maker = register
        if entry.step is not None:
            with located(self.source.location((*place, "step"))):
                maker = register.named(entry.step)
        return lambda: maker(name=named, alias=alias, **chosen, **options)

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

    def _step_arguments(
        self, step: Step[Any, Any], texts: dict[str, Any], place: Place
    ) -> dict[str, Any]:
        owner = f"Step function '{step.function.__name__}'"
        return self._arguments(owner, step.signature.arguments, texts, place)

    def _arguments(
        self, owner: str, known: Mapping[str, Argument], texts: dict[str, Any], place: Place
    ) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        for name, raw in texts.items():
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f" Did you mean '{near[0]}'?" if near else ""
                raise self.source.error(
                    f"{owner} takes no '{name}'.{hint} It takes: {', '.join(known) or 'nothing'}.",
                    (*place, name),
                )
            arguments[name] = self.scope.value(raw, (*place, name), known[name].type)
        return arguments
