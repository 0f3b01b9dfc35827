"""The steps and pipelines of Python modules that a YAML file names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from waterflow.errors import MissingDependencyError, WaterflowError
from waterflow.language.pipeline import Pipeline
from waterflow.language.step import Step
from waterflow.packing.script import import_definitions

if TYPE_CHECKING:
    from waterflow.yaml_pipeline.reader import Place, Source

_DECORATORS: Final[dict[type[Any], str]] = {Step: "step", Pipeline: "pipeline"}


def imported_step(source: Source, text: str, place: Place) -> Step[Any, Any]:
    """Import a step.

    Args:
        source: The file that names it, for the lines of errors.
        text: `package.module:function`.
        place: Where the file names it.

    Raises:
        DefinitionError: There is no such module or step.
        MissingDependencyError: The module imports a library that is not installed.
    """
    return _imported(source, text, place, Step)


def imported_pipeline(source: Source, text: str, place: Place) -> Pipeline[..., Any]:
    """Import a pipeline; arguments and errors as for a step."""
    return _imported(source, text, place, Pipeline)


def _imported(source: Source, text: str, place: Place, kind: type[Any]) -> Any:
    word = _DECORATORS[kind]
    module_name, colon, name = text.partition(":")
    if not colon or not name.isidentifier() or not module_name:
        form = "function" if kind is Step else "pipeline, or the path of a YAML file"
        raise source.error(
            f"{text!r} names no {form.partition(',')[0]}. Write package.module:{form}.", place
        )
    module = _module(source, module_name, place)
    value = getattr(module, name, None)
    if isinstance(value, kind):
        return value
    if value is None:
        names = [key for key, one in vars(module).items() if isinstance(one, kind)]
        raise source.error(
            f"Module '{module_name}' has no '{name}'. Its {word}s: {', '.join(names) or 'none'}.",
            place,
        )
    raise source.error(
        f"{text} is no {word} but a {type(value).__name__}. Put @wf.{word} on the function.", place
    )


def _module(source: Source, name: str, place: Place) -> Any:
    try:
        return import_definitions(name)
    except WaterflowError:
        raise
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(f"{missing}."):
            raise source.error(
                f"There is no module '{missing}', seen from the project's root. Check the name.",
                place,
            ) from None
        raise MissingDependencyError(missing.partition(".")[0], f"Module '{name}'") from error
    except Exception as error:
        raise source.error(
            f"Module '{name}' cannot be imported: {type(error).__name__}: {error}.", place
        ) from error
