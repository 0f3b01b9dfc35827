"""One attempt of a step: loads its inputs, calls its function, writes its results."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import traceback
import types
import typing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow import artifacts
from waterflow.errors import (
    ArtifactError,
    LocalStorageError,
    MissingDependencyError,
    WaterflowError,
)
from waterflow.language.context import RunningStep, enter, hand_on, resolve_secret
from waterflow.language.mapped import FAILURES, RESULTS, SKIP
from waterflow.language.signature import SINGLE
from waterflow.runtime import contract
from waterflow.runtime.arguments import Arguments, Skipped
from waterflow.runtime.completion import Ending, stand_alone
from waterflow.runtime.failure import (
    Failure,
    Terminated,
    as_event,
    from_exception,
    from_serializer,
    unforeseen,
)
from waterflow.runtime.mapping import COUNT, GATHER, ITEM, Map, length, refuse_many
from waterflow.runtime.progress import Progress, teller
from waterflow.tracking.lean import uncollected
from waterflow.tracking.spool import Spool, clear_foreign_mlflow, point_mlflow_at

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from types import FrameType

    from waterflow.runtime.contract import Invocation


def main(arguments: list[str], *, alone: bool = False) -> int:
    """Run one attempt and return its exit code (runtime/contract.py lists them).

    Args:
        arguments: As for `python -m waterflow.runtime`.
        alone: Whether this process is the attempt's own, and ends with it.
    """
    try:
        job = contract.parse(arguments)
    except contract.UsageError as error:
        print(f"waterflow: {error}", file=sys.stderr)
        return contract.USAGE
    return run(job, alone=alone)


def run(job: Invocation, *, alone: bool = False) -> int:
    """Run one attempt of a job in this process and return its exit code.

    Args:
        job: What is to be done.
        alone: Whether this process is the attempt's own, and ends with it.
    """
    try:
        _terminating.clear()
        signal.signal(signal.SIGTERM, _terminate)
        ending = Ending(alone=alone)
        if alone:
            stand_alone()
        return _run(job, ending)
    except Terminated:
        _remove_outputs(job)
        return 128 + signal.SIGTERM
    except BaseException as error:  # noqa: BLE001 - not even the failure could be told
        with contextlib.suppress(OSError):
            traceback.print_exc()
        return contract.BAD_STORAGE if LocalStorageError.of(error) else contract.UNFORESEEN
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()


def _run(job: Invocation, ending: Ending) -> int:
    tracks = contract.rank() == 0
    with Spool(
        Path(os.environ.get(contract.SPOOL) or Path.cwd() / "spool.jsonl"),
        execution=contract.execution_id(job.file),
        step=job.step,
        attempt=contract.attempt(),
        frames=sys.stdout if job.file.frames and tracks else None,
    ) as spool:
        try:
            with _scratch() as scratch:
                _Attempt(job, spool, scratch, ending).run()
                ending.mark()
                return contract.OK
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the log is to tell
            failure = error if isinstance(error, Failure) else unforeseen(error)
            print(failure.detail or f"waterflow: {failure.message}", file=sys.stderr)
            spool.append("failure", **as_event(failure))
            return failure.code


@contextlib.contextmanager
def _scratch() -> Generator[Path]:
    """Give a folder to build in; in the folder that the provider names it is left to that."""
    named = os.environ.get(contract.SCRATCH)
    if named:
        yield Path(named)
        return
    # Not tempfile's own context manager: its folder is gone once exit handlers have run.
    folder = tempfile.mkdtemp(prefix="waterflow-")
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_terminating = threading.Event()
"""Set when SIGTERM has come."""


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _terminating.set()
    raise Terminated


_forking: Final = threading.local()
"""The signals that the thread which forks had blocked before."""


def _before_fork() -> None:
    """Let a SIGTERM for the process that is forked wait until it ends by it: none is lost."""
    _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


def _after_fork() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, _forking.mask)


def _end_as_others_do() -> None:
    """Let SIGTERM end a process that a step has forked, and let it be that process's own affair."""
    with contextlib.suppress(ValueError):
        if signal.getsignal(signal.SIGTERM) is _terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)  # inline it is the runner's, which would take it for its own
    _after_fork()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_fork, after_in_child=_end_as_others_do
)


def _check_terminated() -> None:
    """Raise again what an exit handler has swallowed.

    Raises:
        Terminated: SIGTERM came.
    """
    if _terminating.is_set():
        raise Terminated


def _remove_outputs(job: Invocation) -> None:
    """Remove what a terminated attempt has written; checkpoints stay."""
    for folder in job.outputs.values():
        shutil.rmtree(folder, ignore_errors=True)
    for value in job.values.values():
        value.unlink(missing_ok=True)


class _Attempt:
    """The state of one attempt."""

    def __init__(self, job: Invocation, spool: Spool, scratch: Path, ending: Ending) -> None:
        from waterflow.artifacts import Context

        self.job, self.spool, self.scratch, self.ending = job, spool, scratch, ending
        self.file = job.file
        self.rank = contract.rank()
        self.serializers = Context(self.file.trusted_types)
        self.arguments = Arguments(job, scratch, self.serializers)
        self.count = 0

    def run(self) -> None:
        """Run the attempt.

        Raises:
            Failure: It did not succeed.
        """
        self._set_environment()
        try:
            if any(artifacts.read(f).skipped for f in self.arguments.certain()):
                raise Skipped  # noqa: TRY301
            results = self._register() if self.file.work.registers else self._call()
        except Skipped:
            if self.rank == 0:
                self._write_skipped()
            return
        except ArtifactError as error:
            raise Failure(contract.BAD_INPUT, "ArtifactError", str(error)) from None
        self.ending.run_exit_handlers()
        _check_terminated()
        if self.rank == 0:
            self._refuse_changes()
            try:
                self._publish(results)
            except ArtifactError as error:
                raise Failure(contract.BAD_OUTPUT, "ArtifactError", str(error)) from None

    def _set_environment(self) -> None:
        foreign = clear_foreign_mlflow(os.environ)
        if foreign:
            print(f"waterflow: cleared foreign {', '.join(foreign)}", file=sys.stderr)
        for variable, value in self.file.variables.items():
            os.environ[variable] = value
        secrets = self.file.secrets_from
        step = RunningStep(self.job.step, self.spool, self.job.checkpoint, self.rank, secrets)
        enter(step)
        hand_on(step, os.environ)
        try:
            for variable, name in self.file.secrets.items():
                os.environ[variable] = resolve_secret(name)
        except WaterflowError as error:
            raise Failure(contract.BAD_CODE, type(error).__name__, str(error)) from None
        point_mlflow_at(self.spool, os.environ)

    # --- the call ------------------------------------------------------------------------------

    def _types(self) -> list[str]:
        """Return the types of all that the step reads and writes."""
        types = list(self.file.outputs.values())
        waiting = list(self.file.arguments.values())
        while waiting:
            argument = waiting.pop()
            types.append(argument.type)
            waiting.extend(argument.parts)
        return types

    def _function(self) -> Callable[..., Any]:
        from waterflow.artifacts import own

        try:
            with uncollected():
                for module in own.modules(self._types()):
                    importlib.import_module(module)
                function: Any = importlib.import_module(self.file.work.module)
            for part in self.file.work.name.split("."):
                function = getattr(function, part)
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001 - a module may end in any way
            raise from_exception(error, contract.BAD_CODE) from None
        return getattr(function, "function", function)

    def _call(self) -> dict[str, Path]:
        work, over = self.file.work, self.file.work.over
        maps = Map(self.file, self.scratch, self._named, self._write)
        if work.part == GATHER:
            self.arguments.refuse_skipped()
            return maps.gathered(self.job.inputs[contract.ITEMS], self.spool)
        if work.part == COUNT:
            self.count = self.arguments.length(str(over), self.file.arguments[str(over)])
            return {}
        function = self._function()
        hints = typing.get_type_hints(function)
        index: int | None = self.job.parameters[contract.ITEM] if work.part == ITEM else None
        arguments: dict[str, Any] = {}
        for name, argument in self.file.arguments.items():
            annotation: Any = hints.get(name, Any)
            if name == over and index is not None:
                arguments[name] = self.arguments.item(name, argument, annotation, index)
                continue
            whole = list[annotation] if name == over else annotation
            arguments[name] = self.arguments.load(name, argument, whole)
        self.ending.keep_libraries()
        returned: Any = hints.get("return", Any)
        if over is not None:
            if index is None:
                progress = Progress(teller(self.spool))
                built = maps.all(function, arguments, over, returned, progress)
            else:
                built = maps.one(function, arguments, index, returned)
            self.ending.await_threads()
            return built
        try:
            result = function(**arguments)
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the user's code raises ends the step
            raise from_exception(error, contract.FAILED) from None
        self.ending.await_threads()  # they may still write what was returned
        results = self._named(result)
        several = hasattr(returned, "_fields")
        declared = typing.get_type_hints(returned) if several else dict.fromkeys(results, returned)
        return self._save(results, declared)

    def _named(self, result: Any) -> dict[str, Any]:
        skips = self.file.work.on_error == SKIP
        names = [name for name in self.file.outputs if not (skips and name == FAILURES)]
        if not names:
            return {}
        if names in ([SINGLE], [RESULTS]) and not hasattr(result, "_fields"):
            return {names[0]: result}
        fields: tuple[str, ...] = getattr(result, "_fields", ())
        if sorted(fields) != sorted(names):
            raise Failure(
                contract.BAD_OUTPUT,
                "ArtifactError",
                f"step '{self.job.step}' declares the outputs {', '.join(names)}, but returned "
                f"{type(result).__name__}",
            )
        return {name: getattr(result, name) for name in names}

    def _save(self, results: dict[str, Any], declared: Mapping[str, Any]) -> dict[str, Path]:
        built: dict[str, Path] = {}
        for name, value in results.items():
            kind = self.file.outputs[name]
            folder = self.scratch / name
            folder.mkdir()
            try:
                self._write(value, folder, kind, declared.get(name, Any))
                artifacts.seal(folder, kind)
            except Exception as error:  # noqa: BLE001 - a library's own, such as savefig's
                what = f"step '{self.job.step}', output '{name}'"
                raise from_serializer(error, contract.BAD_OUTPUT, what) from None
            if self.rank == 0:
                self._track(name, kind, value, folder)
            built[name] = folder
        return built

    def _write(self, value: Any, folder: Path, kind: str, declared: Any) -> None:
        from waterflow.artifacts import by_name, is_plain

        if value is None and is_plain(kind) and not _allows_none(declared):
            shown = getattr(declared, "__name__", str(declared))
            raise ArtifactError(
                f"None was returned where {shown} is declared: a `return` may be missing. Return "
                f"a value, or declare `{shown} | None`"
            )
        by_name(kind).save(value, folder, replace(self.serializers, declared=declared))

    def _track(self, name: str, kind: str, value: Any, folder: Path) -> None:
        """Log what an output itself says: metrics as metrics, figures as pictures."""
        if kind == "metrics":
            for key, number in value.items():
                self.spool.append("metric", key=str(key), value=float(number), step=0)
        elif kind == "figure":
            for picture in folder.glob("*.png"):
                shown = self.scratch / f"{name}.png"
                shutil.copyfile(picture, shown)
                self.spool.log_artifact(shown)

    def _register(self) -> dict[str, Path]:
        try:
            from waterflow.runtime.registering import register

            arguments = dict(self.file.arguments)
            model = arguments.pop("model")
            if model.source == "first":
                model = self.arguments.first(model)
            if model.source not in ("input", "data"):
                raise ArtifactError(  # noqa: TRY301 - as from those called here
                    "register takes the model that one step makes, and was given a "
                    f"{'list' if model.source == 'list' else 'plain value'}. "
                    "Register each by itself"
                )
            folder = self.arguments.folder(model.name)
            loaded = {
                name: self.arguments.load(name, argument, Any)
                for name, argument in arguments.items()
            }
            self._check_names(loaded)
            result = register(self.file, folder, artifacts.verify(folder), loaded)
            self.ending.keep_libraries()
        except ArtifactError:
            raise
        except WaterflowError as error:
            missing = isinstance(error, MissingDependencyError)
            code = contract.BAD_CODE if missing else contract.FAILED
            raise Failure(code, type(error).__name__, str(error)) from None
        return self._save({"output": result}, {})

    def _check_names(self, arguments: Mapping[str, Any]) -> None:
        """Refuse names that only now are known, before anything is sent.

        Raises:
            ArtifactError: The registry takes none such.
        """
        from waterflow.tracking.names import alias_mistake, model_name_mistake

        for key, mistake in (("name", model_name_mistake), ("alias", alias_mistake)):
            value = arguments.get(key)
            why = None if value is None else mistake(str(value))
            if why is not None:
                raise ArtifactError(
                    f"step '{self.job.step}': the registry takes no {key} {value!r:.80}: {why}"
                )

    # --- results -------------------------------------------------------------------------------

    def _refuse_changes(self) -> None:
        """Fail a step that has changed what it was given: other steps read it too."""
        for name, watch in self.arguments.watches.items():
            try:
                watch.refuse_change(name)
            except ArtifactError as error:
                message = f"step '{self.job.step}': {error}"
                raise Failure(contract.BAD_INPUT, "ArtifactError", message) from None

    def _publish(self, built: dict[str, Path]) -> None:
        from waterflow.artifacts import plain

        for name, target in self.job.values.items():
            scalar = self.file.values[name]
            if scalar.counts:
                self._tell_count(built, scalar, target)
                continue
            folder = built[scalar.output]
            value = plain.read(folder, self.file.outputs[scalar.output])
            if scalar.key is not None:
                value = self._entry(value, scalar.output, scalar.key)
            try:
                value = plain.scalar(value)
            except ArtifactError as error:
                raise Failure(
                    contract.BAD_OUTPUT,
                    "ArtifactError",
                    f"step '{self.job.step}': a condition needs the scalar '{name}', but {error}",
                ) from None
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(value))
        for name, folder in built.items():
            target = self.job.outputs.get(name)
            if target is None:
                raise Failure(contract.USAGE, "UsageError", f"--output {name} is missing")
            target.mkdir(parents=True, exist_ok=True)
            artifacts.publish(folder, target)

    def _tell_count(self, built: dict[str, Path], scalar: contract.Scalar, target: Path) -> None:
        """Say of how many items a list is, each of which is to have a job of its own."""
        if scalar.output:
            self.count = length(built[scalar.output], self.file.outputs[scalar.output])
        refuse_many(self.count, scalar)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(self.count))

    def _entry(self, value: Any, output: str, key: str) -> Any:
        from waterflow.artifacts.plain import entry

        try:
            return entry(value, key)
        except KeyError:
            raise Failure(
                contract.BAD_OUTPUT,
                "ArtifactError",
                f"step '{self.job.step}', output '{output}' has no entry {key!r}, which a "
                "condition needs",
            ) from None

    def _write_skipped(self) -> None:
        print(
            f"waterflow: step '{self.job.step}' is skipped: a step before it was", file=sys.stderr
        )
        for name, kind in self.file.outputs.items():
            artifacts.seal_skipped(self.job.outputs[name], kind)


def _allows_none(annotation: Any) -> bool:
    """Say whether a return annotation promises that None may come."""
    if annotation in (Any, object, None, type(None)):
        return True
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return any(_allows_none(part) for part in typing.get_args(annotation))
    return typing.get_origin(annotation) is typing.Literal and None in typing.get_args(annotation)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], alone=True))
