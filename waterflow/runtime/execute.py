"""One attempt of a step: loads its inputs, calls its function, writes its results."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import typing
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from waterflow.errors import ArtifactError, WaterflowError
from waterflow.runtime import artifacts, contract
from waterflow.runtime.context import Context, enter, resolve_secret
from waterflow.runtime.failure import Failure, as_event, from_exception
from waterflow.tracking.spool import Spool, clear_foreign_mlflow, point_mlflow_at

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from waterflow.runtime.contract import Job


class Terminated(BaseException):
    """SIGTERM: the attempt is to end now, leaving nothing half written."""


class Skipped(Exception):  # noqa: N818 - no error
    """An input's step was skipped, so this one is."""


def main(arguments: list[str]) -> int:
    """Run one attempt and return its exit code (runtime/contract.py lists them)."""
    try:
        job = contract.parse(arguments)
    except contract.UsageError as error:
        print(f"waterflow: {error}", file=sys.stderr)
        return contract.USAGE
    return run(job)


def run(job: Job) -> int:
    """Run one attempt of a job in this process and return its exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    spool_path = Path(os.environ.get(contract.SPOOL) or Path.cwd() / "spool.jsonl")
    spool = Spool(
        spool_path,
        execution=contract.execution_id(job.document),
        step=job.step,
        attempt=contract.attempt(),
        frames=sys.stdout if job.document.get("frames") else None,
    )
    scratch = Path(tempfile.mkdtemp(prefix="waterflow-", dir=os.environ.get(contract.SCRATCH)))
    try:
        _Attempt(job, spool, scratch).run()
    except Failure as failure:
        if failure.detail:
            print(failure.detail, file=sys.stderr)
        else:
            print(f"waterflow: {failure.message}", file=sys.stderr)
        spool.append("failure", **as_event(failure))
        return failure.code
    except Terminated:
        _remove_outputs(job)
        return 128 + signal.SIGTERM
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        spool.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return contract.OK


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Terminated


def _remove_outputs(job: Job) -> None:
    """Remove what a terminated attempt has written; checkpoints stay."""
    for folder in job.outputs.values():
        shutil.rmtree(folder, ignore_errors=True)
    for value in job.values.values():
        value.unlink(missing_ok=True)


class _Attempt:
    """The state of one attempt."""

    def __init__(self, job: Job, spool: Spool, scratch: Path) -> None:
        from waterflow.serializers import Context as SerializerContext

        self.job, self.spool, self.scratch = job, spool, scratch
        self.document = job.document
        self.rank = int(os.environ.get("WATERFLOW_RANK", "0"))
        self.serializers = SerializerContext(tuple(self.document["trusted_types"]))

    def run(self) -> None:
        """Run the attempt.

        Raises:
            Failure: It did not succeed.
        """
        self._set_environment()
        try:
            if any(artifacts.read(f).skipped for f in self._certain_inputs()):
                raise Skipped  # noqa: TRY301
            kind = self.document["run"]["kind"]
            results = self._register() if kind == "register" else self._call()
        except Skipped:
            self._write_skipped()
            return
        except ArtifactError as error:
            raise Failure(contract.BAD_INPUT, "ArtifactError", str(error)) from None
        if self.rank == 0:
            self._publish(results)

    def _set_environment(self) -> None:
        foreign = clear_foreign_mlflow(os.environ)
        if foreign:
            print(f"waterflow: cleared foreign {', '.join(foreign)}", file=sys.stderr)
        for variable, value in self.document["variables"].items():
            os.environ[variable] = value
        try:
            for variable, name in self.document["secrets"].items():
                os.environ[variable] = resolve_secret(name)
        except WaterflowError as error:
            raise Failure(contract.BAD_CODE, type(error).__name__, str(error)) from None
        point_mlflow_at(self.spool, os.environ)
        enter(Context(self.job.step, self.spool, self.job.checkpoint, self.rank))

    # --- arguments -----------------------------------------------------------------------------

    def _certain_inputs(self) -> list[Path]:
        """Return the folders without which the step cannot run: all but alternatives and data."""
        found: list[Path] = []

        def visit(argument: dict[str, Any]) -> None:
            for item in argument.get("list", ()):
                visit(item)
            if "input" in argument and "data" not in argument:
                found.append(self._folder(argument["input"]))

        for argument in self.document["arguments"].values():
            visit(argument)
        return found

    def _folder(self, name: str) -> Path:
        try:
            return self.job.inputs[name]
        except KeyError:
            raise Failure(contract.USAGE, "UsageError", f"--input {name} is missing") from None

    def _load(self, argument: dict[str, Any], annotation: object) -> Any:
        if "constant" in argument:
            return self._typed(argument["constant"], annotation)
        if "parameter" in argument:
            name = argument["parameter"]
            if name not in self.job.parameters:
                raise Failure(contract.USAGE, "UsageError", f"--param {name} is missing")
            return self._typed(self.job.parameters[name], annotation)
        if "first" in argument:
            for option in argument["first"]:
                if not artifacts.read(self._folder(option["input"])).skipped:
                    return self._load(option, annotation)
            raise Skipped
        if "list" in argument:
            inner = (typing.get_args(annotation) or (Any,))[0]
            return [self._load(item, inner) for item in argument["list"]]
        if "data" in argument:
            return self._data(argument)
        return self._artifact(argument, annotation)

    @staticmethod
    def _typed(value: Any, annotation: object) -> Any:
        from waterflow.serializers.plain import rebuild

        return None if value is None else rebuild(value, annotation)

    def _artifact(self, argument: dict[str, Any], annotation: object) -> Any:
        from waterflow.serializers import by_name

        folder = self._folder(argument["input"])
        manifest = artifacts.verify(folder)
        if argument.get("raw"):
            return folder
        key = argument.get("key")
        wanted = argument["type"]
        kind = manifest.type if wanted == "any" or key is not None else wanted
        value = by_name(kind).load(folder, Any if key is not None else annotation, self.serializers)
        if key is None:
            return value
        if not isinstance(value, dict) or key not in value:
            raise ArtifactError(f"input '{argument['input']}' has no entry {key!r}")
        return self._typed(cast("dict[str, Any]", value)[key], annotation)

    def _data(self, argument: dict[str, Any]) -> Any:
        from waterflow.types import Data

        name = argument["input"]
        if name not in self.job.inputs:
            if argument.get("optional"):
                return None
            raise Failure(contract.USAGE, "UsageError", f"--input {name} is missing")
        path = self.job.inputs[name]
        if (path / artifacts.MANIFEST).is_file():
            artifacts.verify(path)
            payload = [item for item in path.iterdir() if item.name != artifacts.MANIFEST]
            path = payload[0] if len(payload) == 1 else path
        return path if argument["type"] == "path" else Data.at(argument["data"], path)

    # --- the call ------------------------------------------------------------------------------

    def _function(self) -> Callable[..., Any]:
        run = self.document["run"]
        try:
            found: Any = importlib.import_module(run["module"])
            for part in run["name"].split("."):
                found = getattr(found, part)
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001 - a module may end in any way
            raise from_exception(error, contract.BAD_CODE) from None
        return getattr(found, "function", found)

    def _call(self) -> dict[str, Path]:
        from waterflow.signature import without_none

        function = self._function()
        hints = typing.get_type_hints(function)
        over = self.document["run"]["over"]
        arguments: dict[str, Any] = {}
        for name, argument in self.document["arguments"].items():
            annotation = without_none(hints.get(name, Any))[0]
            wanted = list[annotation] if name == over else annotation
            arguments[name] = self._load(argument, wanted)
        if over is not None:
            return self._map(function, arguments, over)
        try:
            result = function(**arguments)
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the user's code raises ends the step
            raise from_exception(error, contract.FAILED) from None
        return self._save(self._named(result))

    def _named(self, result: Any) -> dict[str, Any]:
        names = list(self.document["outputs"])
        if not names:
            return {}
        if names == ["output"] and not hasattr(result, "_fields"):
            return {"output": result}
        fields: tuple[str, ...] = getattr(result, "_fields", ())
        if sorted(fields) != sorted(names):
            raise Failure(
                contract.BAD_OUTPUT,
                "ArtifactError",
                f"step '{self.job.step}' declares the outputs {', '.join(names)}, but returned "
                f"{type(result).__name__}",
            )
        return {name: getattr(result, name) for name in names}

    def _save(self, results: dict[str, Any]) -> dict[str, Path]:
        from waterflow.serializers import by_name

        built: dict[str, Path] = {}
        for name, value in results.items():
            kind = self.document["outputs"][name]
            folder = self.scratch / name
            folder.mkdir()
            try:
                by_name(kind).save(value, folder, self.serializers)
                artifacts.seal(folder, kind)
            except ArtifactError as error:
                message = f"step '{self.job.step}', output '{name}': {error}"
                raise Failure(contract.BAD_OUTPUT, "ArtifactError", message) from None
            self._track(name, kind, value, folder)
            built[name] = folder
        return built

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

    def _map(
        self, function: Callable[..., Any], fixed: dict[str, Any], over: str
    ) -> dict[str, Path]:
        from waterflow.runtime import fan
        from waterflow.serializers import by_name, type_name
        from waterflow.serializers.plain import read

        items: list[Any] = fixed.pop(over)
        kind = self.document["outputs"]["output"]
        folder = self.scratch / "output"
        folder.mkdir()
        returned = typing.get_type_hints(function)["return"]
        inner = kind[5:-1] if kind.startswith("list[") else type_name(returned) or "json"
        try:
            fan.run(function, fixed, over, items, folder, by_name(inner), self.serializers,
                    self.document["threads"])  # fmt: skip
            if kind == "json":
                values = [read(folder / str(index), inner) for index in range(len(items))]
                shutil.rmtree(folder)
                folder.mkdir()
                by_name("json").save(values, folder, self.serializers)
            artifacts.seal(folder, kind)
        except ArtifactError as error:
            message = f"step '{self.job.step}': {error}"
            raise Failure(contract.BAD_OUTPUT, "ArtifactError", message) from None
        return {"output": folder}

    def _register(self) -> dict[str, Path]:
        try:
            from waterflow.runtime.registering import register

            arguments = dict(self.document["arguments"])
            model = self._folder(arguments.pop("model")["input"])
            loaded = {name: self._load(argument, Any) for name, argument in arguments.items()}
            result = register(self.document, model, artifacts.verify(model), loaded)
        except (Terminated, Skipped, ArtifactError):
            raise
        except WaterflowError as error:
            raise Failure(contract.FAILED, type(error).__name__, str(error)) from None
        return self._save({"output": result})

    # --- results -------------------------------------------------------------------------------

    def _publish(self, built: dict[str, Path]) -> None:
        from waterflow.serializers.plain import read

        for name, target in self.job.values.items():
            reference = self.document["values"][name]
            folder = built[reference["output"]]
            value = read(folder, self.document["outputs"][reference["output"]])
            if reference["key"] is not None:
                value = self._entry(value, reference)
            if not isinstance(value, (bool, int, float, str)):
                raise Failure(
                    contract.BAD_OUTPUT,
                    "ArtifactError",
                    f"step '{self.job.step}': a condition needs the scalar '{name}', "
                    f"but found {value!r:.80}",
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(value))
        for name, folder in built.items():
            target = self.job.outputs.get(name)
            if target is None:
                raise Failure(contract.USAGE, "UsageError", f"--output {name} is missing")
            target.mkdir(parents=True, exist_ok=True)
            artifacts.publish(folder, target)

    def _entry(self, value: Any, reference: dict[str, str]) -> Any:
        if isinstance(value, dict) and reference["key"] in value:
            return cast("dict[str, Any]", value)[reference["key"]]
        raise Failure(
            contract.BAD_OUTPUT,
            "ArtifactError",
            f"step '{self.job.step}', output '{reference['output']}' has no entry "
            f"{reference['key']!r}, which a condition needs",
        )

    def _write_skipped(self) -> None:
        print(
            f"waterflow: step '{self.job.step}' is skipped: a step before it was", file=sys.stderr
        )
        for name, kind in self.document["outputs"].items():
            artifacts.seal_skipped(self.job.outputs[name], kind)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
