"""The model classes that steps declare: told before training if no model file may hold them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from waterflow.errors import DefinitionError
from waterflow.language.signature import function_location

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from waterflow.language.trace import Called


def _script() -> str:
    """Return the name of the script that this process runs; empty where it is none."""
    return Path(str(getattr(sys.modules["__main__"], "__file__", None) or "")).stem


def check_trusted(steps: Mapping[str, Called], trusted: Sequence[str], location: str) -> None:
    """Refuse steps that hand on models of a class that the pipeline does not trust.

    Args:
        steps: Step name -> the function step.
        trusted: The pipeline's `trusted_types`.
        location: `file:line` of the pipeline.

    Raises:
        DefinitionError: All such classes, with the line to add; or one that no other step could
            import.
    """
    from waterflow.artifacts.trust import dotted, untrusted_classes

    missing: dict[str, str] = {}
    for name, step in steps.items():
        signature = step.signature
        declared = {f"argument '{a.name}'": a.annotation for a in signature.arguments.values()}
        declared |= {f"output '{key}'": kind for key, kind in signature.annotations.items()}
        for what, annotation in declared.items():
            for class_ in untrusted_classes(annotation, trusted):
                if class_.__module__ == "__main__" and not _script():
                    raise DefinitionError(
                        f"Step '{name}', {what}: a model file names its class by module, and "
                        f"{class_.__qualname__} is defined in the notebook itself, which a job "
                        "cannot import. Move the class into a module of the project.",
                        function_location(step.function),
                    )
                class_name = dotted(class_).replace("__main__", _script(), 1)
                missing.setdefault(class_name, f"step '{name}', {what}")
    if missing:
        where = "; ".join(f"{class_} ({place})" for class_, place in missing.items())
        listed = ", ".join(f'"{class_}"' for class_ in [*trusted, *missing])
        raise DefinitionError(
            "Model files hold no class that is not on the allow-list, and steps declare "
            f"{where}. If you trust the code, say so: @wf.pipeline(trusted_types=[{listed}])",
            location,
        )
