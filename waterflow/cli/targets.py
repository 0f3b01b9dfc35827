"""TARGET: from a folder, a file or `module:name` on the command line to a pipeline."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import (
    DefinitionError,
    Gathering,
    MissingDependencyError,
    WaterflowError,
)
from waterflow.packing.script import import_definitions, linked

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from types import ModuleType

    from waterflow import spec
    from waterflow.language.pipeline import Call, Pipeline

_HOME: Final = str(Path(__file__).resolve().parents[1]) + os.sep
_FILES: Final = ("pipeline.py", "pipeline.yaml", "pipeline.yml")
_YAML: Final = (".yaml", ".yml")


@dataclass(frozen=True)
class Target:
    """A pipeline and the project that it belongs to.

    Attributes:
        text: What was written on the command line.
        root: The project's folder.
        pipeline: The pipeline.
    """

    text: str
    root: Path
    pipeline: Pipeline[..., Any]

    def parameters(self) -> dict[str, spec.Parameter]:
        """Return the parameters that the pipeline declares.

        Raises:
            DefinitionError: One is declared wrongly.
        """
        from waterflow.language.parameters import declare

        pipeline = self.pipeline
        return declare(pipeline.name, pipeline.arguments, pipeline.location)

    def call(self, texts: Sequence[str] = ()) -> Call:
        """Return the pipeline with parameters, traced.

        Args:
            texts: "name=value", each read by the parameter's type. A relative path for outside
                data is seen from the working folder.

        Raises:
            DefinitionError: The pipeline or a parameter is written wrongly.
        """
        from waterflow.language.gathering import tolerated
        from waterflow.language.parameters import parse_text

        with user_code(f"Pipeline '{self.pipeline.name}'", "defined"):
            declared = self.parameters()
            arguments: dict[str, Any] = {}
            errors = Gathering()
            for text in texts:
                with errors:
                    name, value = parse_text(self.pipeline.name, declared, text)
                    if name in arguments:
                        raise DefinitionError(f"-p {name} is given twice. Give it once.")
                    if declared[name].type == "data" and value is not None:
                        value = self._seen_from_root(value)
                    arguments[name] = value
            with tolerated():
                errors.check()
            for name, one in declared.items():
                if one.static and one.required and name not in arguments:
                    raise DefinitionError(
                        f"Pipeline '{self.pipeline.name}' needs a value for {name}, which shapes "
                        f"it. Give it: -p {name}=VALUE"
                    )
            return self.pipeline.with_arguments(arguments)

    def _seen_from_root(self, uri: str) -> str:
        if "://" in uri:
            return uri
        path = Path(os.path.abspath(Path(uri).expanduser()))  # noqa: PTH100 - links stay as named
        if path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return str(path)


def load(text: str) -> Target:
    """Find the pipeline that a TARGET names.

    Args:
        text: A folder with a pipeline.py or pipeline.yaml, a .py or .yaml file, each with `:name`
            where it holds several pipelines; or `module:name`.

    Raises:
        DefinitionError: There is no such file, no or no single pipeline in it, or its code fails.
        MissingDependencyError: It imports a library that is not installed.
    """
    from waterflow.project import find_root

    path, name = Path(text), ""
    if not path.exists():
        before, _, name = text.rpartition(":")
        path = Path(before or text)
        if not before or not path.exists():
            if before and name and all(part.isidentifier() for part in before.split(".")):
                return _from_module(text, before, name)
            raise DefinitionError(_nothing_at(before or text))
    path = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as the user named them
    root = find_root(path)
    file = _file_in(path) if path.is_dir() else linked(path, root)
    if file.suffix in _YAML:
        return _from_yaml(text, root, file, name)
    if file.suffix != ".py":
        raise DefinitionError(f"{text} is no pipeline: TARGET is a folder, a .py or a .yaml file.")
    module = _import(root, _module_name(root, file), file)
    return Target(text, root, _chosen(text, module, name, file))


def load_all(text: str, errors: Gathering) -> list[Target]:
    """Find all pipelines that a TARGET may name: of a file, or of a folder's files.

    Args:
        text: As for `load`; a folder without a pipeline.py or pipeline.yaml stands for the
            pipelines right below it.
        errors: Takes what is wrong with the files and with what they define at their top.

    Raises:
        DefinitionError: There is no such file, or no pipeline in it.
        MissingDependencyError: It imports a library that is not installed.
    """
    from waterflow.language.gathering import gathered
    from waterflow.project import find_root

    path = Path(text)
    targets: list[Target] = []
    if path.is_dir() and not any((path / name).is_file() for name in _FILES):
        for file in _pipeline_files(path):
            with errors:
                targets += load_all(str(file), errors)
        if not targets and not errors.errors:
            _file_in(path)  # says what to do
        return targets
    before, known = len(errors.errors), {*sys.modules}
    with gathered(errors):
        path = _file_in(path) if path.is_dir() else path
        if path.is_file() and path.suffix == ".py":
            path = Path(os.path.abspath(path))  # noqa: PTH100 - links stay as the user named them
            root = find_root(path)
            file = linked(path, root)
            module = _import(root, _module_name(root, file), file)
            own, _ = _pipelines(module)
            targets += [Target(text, root, one) for one in own.values()]
        if not targets:
            targets.append(load(text))
    if len(errors.errors) > before:  # what they define is not what is written
        for name in {*sys.modules} - known:
            if not name.startswith("waterflow") and _is_of_project(sys.modules[name]):
                del sys.modules[name]
    if not targets and len(errors.errors) == before + 1:
        raise errors.errors.pop()  # as every other verb says it
    return targets


def _is_of_project(module: ModuleType) -> bool:
    from waterflow.project import find_root

    file = Path(getattr(module, "__file__", None) or "/")
    installed = file.is_relative_to(sys.prefix) or "site-packages" in file.parts
    return not installed and file.is_relative_to(find_root(Path.cwd()))


def _pipeline_files(folder: Path) -> list[Path]:
    """Return what of a folder holds pipelines, as far as its text tells."""
    files: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.is_dir() and any((path / name).is_file() for name in _FILES):
            files.append(path)
        elif path.suffix == ".py" and path.is_file():
            files += [path] if b".pipeline" in path.read_bytes() else []
        elif path.suffix in _YAML and path.read_bytes().startswith(b"pipeline:"):
            files.append(path)
    return files


def _nothing_at(text: str) -> str:
    names = sorted(
        {str(one.parent) for file in _FILES for one in Path().glob(f"pipelines/*/{file}")}
    )
    there = f" There are: {', '.join(names)}." if names else ""
    return (
        f"There is no file or folder '{text}'.{there} TARGET is a folder with a pipeline.py, a "
        ".py or .yaml file, or module:name. For a new project: waterflow init"
    )


def _file_in(folder: Path) -> Path:
    files = [folder / name for name in _FILES if (folder / name).is_file()]
    if len(files) > 1:
        raise DefinitionError(
            f"{_short(folder)} has both {files[0].name} and {files[1].name}. Name one of them: "
            f"{_short(files[0])}"
        )
    if not files:
        raise DefinitionError(
            f"{_short(folder)} has neither pipeline.py nor pipeline.yaml. Name the file that holds "
            "the pipeline, or make a project: waterflow init"
        )
    return files[0]


# --- modules --------------------------------------------------------------------------------------


def _module_name(root: Path, file: Path) -> str:
    base = root / "src" if file.is_relative_to(root / "src") else root
    parts = file.relative_to(base).with_suffix("").parts
    for part in parts:
        if not part.isidentifier():
            raise DefinitionError(
                f"{_short(file)}: '{part}' cannot be part of a module's name, by which a job "
                f"imports it. Rename it: {''.join(c if c.isalnum() else '_' for c in part)}"
            )
    return ".".join(parts)


def _from_module(text: str, module: str, name: str) -> Target:
    from waterflow.project import find_root

    root = find_root(Path.cwd())
    return Target(text, root, _chosen(text, _import(root, module, None), name, None))


def _import(root: Path, name: str, file: Path | None) -> ModuleType:
    for folder in (root / "src", root):
        if str(folder) not in sys.path and folder.is_dir():
            sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    shown = _short(file) if file is not None else f"Module '{name}'"
    with user_code(shown, "imported"):
        try:
            module = import_definitions(name)
        except ModuleNotFoundError as error:
            raise _missing(root, name, file, shown, error) from error
    origin = getattr(module, "__file__", None)
    if file is not None and (origin is None or not os.path.samefile(origin, file)):  # noqa: PTH121
        raise DefinitionError(
            f"{shown} would be module '{name}', but that name is taken by {origin or 'Python'}. "
            "Rename the file"
        )
    return module


def _missing(
    root: Path, name: str, file: Path | None, shown: str, error: ModuleNotFoundError
) -> WaterflowError:
    """Return the error for a module that is not there: the target, the project's, a library."""
    missing = error.name or name
    if isinstance(error, MissingDependencyError):
        return error
    if file is None and (name == missing or name.startswith(f"{missing}.")):
        return DefinitionError(f"There is no module '{missing}', seen from {root}. Check the name")
    top = missing.partition(".")[0]
    if name.startswith(missing):  # the file is there, but Python looks for it elsewhere
        taken = getattr(sys.modules.get(top), "__file__", None) or "another folder"
        return DefinitionError(f"{shown} would be module '{name}', but {top} is {taken}. Rename it")
    if any((root / place).exists() for place in (top, f"src/{top}", f"{top}.py")):
        return DefinitionError(f"{shown} cannot be imported: {error}.\n{_user_lines(error)}")
    return MissingDependencyError(top, shown)


def _chosen(text: str, module: ModuleType, name: str, file: Path | None) -> Pipeline[..., Any]:
    shown = _short(file) if file is not None else f"Module '{module.__name__}'"
    known, pipelines = _pipelines(module)
    if not name:
        if len({id(value) for value in known.values()}) == 1:
            return next(iter(known.values()))
        if not known:
            raise DefinitionError(
                f"{shown} holds no pipeline. Put @wf.pipeline on the function that calls the steps."
            )
        raise DefinitionError(
            f"{shown} holds several pipelines: {', '.join(known)}. Choose one: "
            f"{text}:{next(iter(known))}"
        )
    for key, value in pipelines.items():
        if name in (key, value.name):
            return value
    raise DefinitionError(
        f"{shown} holds no pipeline '{name}'. It holds: {', '.join(known) or 'none'}."
    )


def _pipelines(
    module: ModuleType,
) -> tuple[dict[str, Pipeline[..., Any]], dict[str, Pipeline[..., Any]]]:
    """Return a module's own pipelines, or else those that it imports; and all of both."""
    from waterflow.language.pipeline import Pipeline

    pipelines: dict[str, Pipeline[..., Any]] = {
        key: value for key, value in vars(module).items() if isinstance(value, Pipeline)
    }
    own = {key: one for key, one in pipelines.items() if _module_of(one) == module.__name__}
    known = own or pipelines
    first = {id(one): key for key, one in reversed(known.items())}  # one may have two names
    return {key: one for key, one in known.items() if first[id(one)] == key}, pipelines


def _module_of(pipeline: Pipeline[..., Any]) -> str | None:
    return getattr(getattr(pipeline, "function", None), "__module__", None)


def _from_yaml(text: str, root: Path, file: Path, name: str) -> Target:
    from waterflow.yaml_pipeline import load as load_yaml

    for folder in (root / "src", root):
        if str(folder) not in sys.path and folder.is_dir():
            sys.path.insert(0, str(folder))
    with user_code(_short(file), "read"):
        pipeline = load_yaml(file, root)
    if name and name != pipeline.name:
        raise DefinitionError(
            f"{_short(file)} holds pipeline '{pipeline.name}', not '{name}'. Leave ':{name}' out."
        )
    return Target(text, root, pipeline)


# --- the user's own errors ------------------------------------------------------------------------


@contextmanager
def user_code(shown: str, done: str) -> Generator[None]:
    """Turn an exception of the user's code into an error with the user's own lines.

    What the code prints goes to standard error: standard output is for the answer.

    Args:
        shown: What is at hand, for the message.
        done: What is done with it: "imported", "defined".

    Raises:
        DefinitionError: The code raised something.
        MissingDependencyError: It imports a library that is not installed.
    """
    try:
        with redirect_stdout(sys.stderr):
            yield
    except WaterflowError:
        raise
    except ModuleNotFoundError as error:
        raise MissingDependencyError(error.name or "a module", shown) from error
    except (Exception, SystemExit) as error:
        kind = type(error).__name__
        message = f"{kind}: {error}" if str(error) else kind
        lines = _user_lines(error)
        raise DefinitionError(f"{shown} cannot be {done}: {message}\n{lines}".rstrip()) from error


def _user_lines(error: BaseException) -> str:
    """Return where an exception came from, without Waterflow's and the import system's frames."""
    stack = traceback.TracebackException.from_exception(error, lookup_lines=True)
    kept = [
        frame
        for frame in stack.stack
        if not frame.filename.startswith((_HOME, "<frozen importlib"))
        and f"{os.sep}importlib{os.sep}" not in frame.filename
    ]
    lines = traceback.StackSummary.from_list(kept).format()
    if isinstance(error, SyntaxError):
        lines += list(stack.format_exception_only())[:-1]
    return "".join(lines).rstrip()


def _short(path: Path) -> str:
    from waterflow.language.places import short_path

    return short_path(str(path))
