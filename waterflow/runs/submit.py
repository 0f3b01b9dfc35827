"""From a pipeline with parameters to a started run: bundle, pin, compile, submit."""

from __future__ import annotations

import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from waterflow import data, project, spec
from waterflow.artifacts.tagged.names import renamed
from waterflow.errors import ConfigurationError, DefinitionError, Gathering
from waterflow.packing import installed, libraries, lockfile, script
from waterflow.packing.bundle import Bundle, Bundler
from waterflow.packing.code_key import CodeKey, CodeKeys
from waterflow.packing.submits import is_notebook, note_submit
from waterflow.packing.wheelhouse import file_contents
from waterflow.provider import RUN_ID, Build, Submission, discovery
from waterflow.runs.lineage import priced, tracking_target
from waterflow.runs.origin import changes, origin
from waterflow.spec.job import leaves
from waterflow.spec.parameters import check_length, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.project.profile import Profile
    from waterflow.provider import Document, Provider
    from waterflow.runs.run import Run


class Call(Protocol):
    """A pipeline with parameters, as whoever defined it hands it over to be run."""

    @property
    def spec(self) -> spec.Pipeline:
        """The spec."""
        ...

    @property
    def steps(self) -> Mapping[str, object]:
        """Step name -> the function step behind it."""
        ...

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The parameters that were given; the others have their defaults."""
        ...

    @property
    def source(self) -> Path:
        """The file in which the pipeline is defined."""
        ...


RUNTIME_MODULE = "waterflow.runtime"
"""What the bundle of a step without code of the user's holds."""


def project_root(source: Path) -> Path:
    """Return the folder of the project that a pipeline belongs to.

    Args:
        source: The file in which it is defined; of a notebook's cell there is none.
    """
    return project.find_root(source if source.is_file() else Path.cwd())


def assemble(call: Call, root: Path, profile: Profile, gathered: Gathering | None = None) -> Build:
    """Find out all that a compiler needs to know about a pipeline's code and data.

    Args:
        call: The pipeline with parameters.
        root: The project's folder.
        profile: The settings in force, which say where runs are tracked.
        gathered: Takes what is wrong in place of raising it: the build is then fit for checks
            alone, with nothing where code or data cannot be had.

    Raises:
        DefinitionError: Code that cannot be bundled or exported.
        ConfigurationError: Data that is not there, secrets in the code, and so on.
    """
    errors = Gathering() if gathered is None else gathered
    pipeline, bundles = _with_code(call, root, errors)
    uris = _uris(pipeline, call.parameters)
    state = project.state_folder(root) if uris else project.state_path(root)
    pinned: dict[str, data.Pinned] = {}
    for uri in uris:
        pinned[uri] = data.Pinned(uri, None)
        with errors:
            pinned[uri] = data.pin(uri, root, state)
    if gathered is None:
        errors.check()
    versions = _versions(pipeline, bundles)
    contents = installed.Contents(state)
    return Build(
        spec=pipeline,
        digest=spec.digest(pipeline),
        root=root,
        bundles=bundles,
        versions=versions,
        contents={
            step.name: contents.of(versions.get(step.name, ()))
            | file_contents(step.environment.requirements)
            for step in pipeline.steps
        },
        data=pinned,
        lock=lockfile.read(root),
        git=project.git_state(root),
        python=f"{sys.version_info.major}.{sys.version_info.minor}",
        tracking=tracking_target(pipeline, profile, root),
        codes=_codes(pipeline, bundles),
    )


def _codes(pipeline: spec.Pipeline, bundles: Mapping[str, Bundle]) -> dict[str, CodeKey]:
    """Return what caches know each function's code by."""
    keys = CodeKeys()
    codes: dict[str, CodeKey] = {}
    carried: dict[str, frozenset[str]] = {}
    for step in pipeline.steps:
        # A value of a class of the project's own brings the class, which is found by its name.
        types = frozenset(pipeline.trusted_types) | _own_types(step)
        for _, source in leaves(step):
            if isinstance(source, spec.FromStep) and _may_carry(pipeline, source):
                types |= carried.get(source.step, frozenset())
        carried[step.name] = types
        if isinstance(step.run, spec.Function) and not bundles[step.name].digest:
            codes[step.name] = CodeKey("")  # its code is among what is wrong
        elif isinstance(step.run, spec.Function):
            code = codes[step.name] = keys.of(bundles[step.name], step.run.name, types)
            carried[step.name] = types | code.classes
    return codes


_CLOSED: Final = frozenset({"array", "arrow", "bytes", "data", "dataframe", "figure", "path"})
"""Types whose values hold no instances of the project's own classes."""


def _may_carry(pipeline: spec.Pipeline, source: spec.FromStep) -> bool:
    kind = pipeline.step(source.step).outputs[source.output].type
    return kind.rpartition("[")[2].partition("]")[0] not in _CLOSED


def _own_types(step: spec.Step) -> frozenset[str]:
    """Return the classes that a step's types name: `module:Class`."""
    kinds = [*(one.type for one in step.inputs.values()), *(o.type for o in step.outputs.values())]
    return frozenset(
        kind.rpartition("[")[2].partition("]")[0].replace(":", ".") for kind in kinds if ":" in kind
    )


def _versions(
    pipeline: spec.Pipeline, bundles: Mapping[str, Bundle]
) -> dict[str, Mapping[str, str]]:
    """Return each step's libraries: those its code imports, and those its artifacts are read by."""
    known: dict[tuple[tuple[str, ...], tuple[str, ...]], dict[str, str]] = {}
    by_step: dict[str, Mapping[str, str]] = {}
    for step in pipeline.steps:
        bundle = bundles.get(step.name)
        if bundle is not None:
            key = bundle.third_party, _required(step)
            by_step[step.name] = known[key] if key in known else libraries.versions(*key)
            known[key] = dict(by_step[step.name])
    return by_step


def _required(step: spec.Step) -> tuple[str, ...]:
    from waterflow.artifacts import by_name

    kinds = {output.type for output in step.outputs.values()}
    kinds |= {input_.type for input_ in step.inputs.values()}
    names: set[str] = set()
    for kind in kinds - {"data", "any"}:
        names.update(by_name(kind).requires)
    return tuple(sorted(names))


def _with_code(
    call: Call, root: Path, errors: Gathering
) -> tuple[spec.Pipeline, dict[str, Bundle]]:
    """Return the spec and the bundle of each step that runs Python.

    A script's steps are given the name by which a job imports the script; those of a notebook are
    exported to a generated module, whose name then stands in the spec.
    """
    bundler = Bundler(root)
    modules = _Modules(call, root)
    bundles: dict[str, Bundle] = {}
    steps: list[spec.Step] = []
    for step in call.spec.steps:
        run = step.run
        if not isinstance(run, spec.Container):
            bundles[step.name] = Bundle("", {}, (), "")
        with errors:
            if isinstance(run, spec.Function):
                module, generated = modules.of(step.name, run)
                if module != run.module:
                    run = _replace(run, module=module)
                    step = _replace(step, run=run)  # noqa: PLW2901 - the same step, importable
                bundles[step.name] = bundler.build(
                    run.module,
                    run.include,
                    generated=generated,
                    beside=_beside(bundler, call.spec, step),
                )
                if script.is_imported(call.spec.step(step.name).run, run.module):
                    step = _as_imported(step, run.module)  # noqa: PLW2901 - as above
            elif isinstance(run, spec.Register):
                beside = _beside(bundler, call.spec, step)
                bundles[step.name] = bundler.build(RUNTIME_MODULE, beside=beside)
        steps.append(step)
    return _replace(call.spec, steps=tuple(steps)), bundles


def _as_imported(step: spec.Step, module: str) -> spec.Step:
    """Return a script's step with the script's own classes called as its jobs import them.

    Started by `python s.py` the script is `__main__`, and by `waterflow run s.py` it is `s`: what
    it makes is the same, and so is what it is called by.
    """
    from waterflow.artifacts.own import SCRIPT

    def named(text: str) -> str:
        return text.replace(f"{SCRIPT}:", f"{module}:")

    inputs: dict[str, spec.Input] = {}
    for name, one in step.inputs.items():
        source = one.source
        if isinstance(source, spec.FromValue):
            source = spec.FromValue(renamed(source.value, named))
        inputs[name] = spec.Input(named(one.type), source)
    outputs = {name: _replace(one, type=named(one.type)) for name, one in step.outputs.items()}
    return _replace(step, inputs=inputs, outputs=outputs)


def _beside(bundler: Bundler, pipeline: spec.Pipeline, step: spec.Step) -> list[str]:
    """Return the modules that a step's values are read and written with, whatever its own imports.

    They are those that give the serializers of its types, and, where it reads a model, those of the
    classes that the pipeline trusts in one.
    """
    from waterflow.artifacts import by_name, own
    from waterflow.artifacts.models import FORMAT

    read = {input_.type for input_ in step.inputs.values()}
    modules = own.modules([*read, *(output.type for output in step.outputs.values())])
    if any(FORMAT in by_name(kind).format or kind == "any" for kind in read - {"data"}):
        modules += filter(None, map(bundler.module_of, pipeline.trusted_types))
    return modules


class _Modules:
    """Under which name, and with which source, a job imports the module of each step."""

    def __init__(self, call: Call, root: Path) -> None:
        self.call, self.root = call, root
        self.submitting = script.shipped_modules()
        self._scripts: dict[int, script.Shipped | None] = {}

    def of(self, name: str, run: spec.Function) -> tuple[str, Mapping[str, str]]:
        """Return the name of a step's module in its job, and the modules given by their source."""
        function = getattr(self.call.steps.get(name), "function", None)
        if function is None:
            return run.module, self.submitting
        scope = script.scope_of(function, run.module)
        if run.module == "__main__" and (is_notebook(scope) or not scope.get("__file__")):
            from waterflow.packing.export import export

            module = f"waterflow_exported_{run.name}"
            return module, {**self.submitting, module: export(function, module_name=module)}
        key = id(scope)  # of several scripts that one session has run, each is `__main__`
        if key not in self._scripts:
            self._scripts[key] = script.ship(scope, self._steps(key), self.root)
        shipped = self._scripts[key]
        if shipped is None:
            return run.module, self.submitting
        text = {} if shipped.text is None else {shipped.module: shipped.text}
        return shipped.module, {**self.submitting, **text}

    def _steps(self, scope: int) -> Iterator[str]:
        """Yield the functions of the steps that were defined in one module."""
        for step in self.call.spec.steps:
            function = getattr(self.call.steps.get(step.name), "function", None)
            if not isinstance(step.run, spec.Function) or function is None:
                continue
            if id(script.scope_of(function, step.run.module)) == scope:
                yield step.run.name


def _replace(struct: Any, **changes: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(struct, **changes)


def _uris(pipeline: spec.Pipeline, overrides: Mapping[str, Any]) -> list[str]:
    uris: dict[str, None] = {}
    for step in pipeline.steps:
        for input_ in step.inputs.values():
            if isinstance(input_.source, spec.FromData):
                uris[input_.source.uri] = None
    for name, parameter in pipeline.parameters.items():
        uri = overrides.get(name, parameter.default)
        if parameter.type == "data" and uri is not None:
            uris[uri] = None
    return list(uris)


def new_run_id(pipeline: str) -> str:
    """Return an id for a new run: the pipeline's name, the time in UTC, and something random."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return f"{pipeline}-{stamp}-{secrets.token_hex(2)}"


def compile_call(
    call: Call, root: Path | None = None, name: str | None = None
) -> tuple[Provider, Build, Document]:
    """Compile a pipeline for a profile, submitting nothing.

    Args:
        call: The pipeline with parameters.
        root: The project's folder; found from the pipeline's file when None.
        name: The profile's name; None for the project's default.

    Raises:
        UnsupportedFeatureError: The provider cannot honour a setting.
    """
    folder = root or project_root(call.source)
    provider = discovery.open_provider(folder, name)
    build = assemble(call, folder, provider.profile)
    return provider, build, provider.compile(build)


def check_document(provider: Provider, build: Build, document: Document) -> None:
    """Refuse a compiled pipeline that the service would refuse, before anything is created.

    Raises:
        ConfigurationError: It violates limits; all of them are named.
    """
    violated = provider.check(build, document)
    if violated:
        count = len(violated)
        raise ConfigurationError(
            f"Pipeline '{build.spec.name}' violates {count} limit{'' if count == 1 else 's'} of "
            f"provider '{provider.name}':\n" + "\n".join(f"  {line}" for line in violated)
        )


def submit(
    call: Call,
    *,
    profile: str | None = None,
    run_id: str | None = None,
    cache: bool = True,
    resume: str | None = None,
    inline: bool = False,
    keep_going: bool = False,
    attached: bool = False,
    root: Path | None = None,
) -> Run:
    """Start a run and return at once (with `inline`, when it has ended).

    Args:
        call: The pipeline with parameters.
        profile: The profile's name; None for the project's default.
        run_id: An id of the caller's own; submitting it twice gives one run.
        cache: Whether earlier results may stand for steps.
        resume: A failed run to go on from.
        inline: Run all steps in this process.
        keep_going: After a failure what needs nothing of the failed step must run all the same.
        attached: The caller watches: a run on this machine ends with it.
        root: The project's folder; found from the pipeline's file when None.

    Raises:
        DefinitionError: A parameter is missing, or the run id cannot be one.
        UnsupportedFeatureError: The provider cannot honour a setting.
        ConfigurationError: What the pipeline becomes violates limits of the provider's.
        ProviderError: The provider refuses.
    """
    from waterflow.runs.run import Run

    note_submit()
    if run_id is not None and not RUN_ID.fullmatch(run_id):
        raise DefinitionError(
            f"{run_id!r} cannot be a run's id: at most 127 letters, digits, '.', '_' and '-', of "
            "which the first is a letter, a digit or '_'."
        )
    parameters = resolve(call.spec, call.parameters)
    provider, build, document = compile_call(call, root, profile)
    limit = provider.capabilities.parameter_length
    check_length(call.spec.name, parameters, limit, provider.name)
    check_document(provider, build, document)
    differences, files = changes(build)
    files |= priced(document)
    submission = Submission(
        run_id=new_run_id(call.spec.name) if run_id is None else run_id,
        parameters=parameters,
        cache=cache,
        resume=resume,
        inline=inline,
        keep_going=keep_going,
        attached=attached,
        fresh=run_id is None,
        tags=origin(build, call.source, sys.argv) | differences,
        files=files,
    )
    provider.submit(build, document, submission)
    return Run(submission.run_id, provider, build.spec.trusted_types)
