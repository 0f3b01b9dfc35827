"""The lineage of a run as lines to read: who, code, data, lock file, image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from waterflow import spec
from waterflow.provider import PATCH
from waterflow.report import hiding
from waterflow.report.data import Fact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from waterflow.provider import Lineage
    from waterflow.provider.basis import RunBasis
    from waterflow.provider.state import RunState

_PATCH_CHARACTERS: Final = 60_000
_TAGS: Final = (
    ("started by", "mlflow.user", False),
    ("on", "waterflow.host", False),
    ("command", "waterflow.command", True),
    ("source", "mlflow.source.name", True),
    ("commit", "waterflow.git_commit", True),
    ("schedule", "waterflow.schedule", True),
    ("code", "waterflow.code_digest", True),
    ("pipeline", "waterflow.pipeline_digest", True),
    ("lock file", "waterflow.lock_digest", True),
    ("Python", "waterflow.python", False),
)


def facts(
    state: RunState,
    pipeline: spec.Pipeline | None,
    lineage: Lineage | None,
    basis: RunBasis | None,
    images: Mapping[str, str],
) -> tuple[Fact, ...]:
    """Return where a run comes from.

    Args:
        state: Its state.
        pipeline: Its spec.
        lineage: Its tags.
        basis: What it was made from.
        images: Step -> the image that it runs in, where the service was told one.
    """
    return tuple(_facts(state, pipeline, lineage, basis, images))


def _facts(
    state: RunState,
    pipeline: spec.Pipeline | None,
    lineage: Lineage | None,
    basis: RunBasis | None,
    images: Mapping[str, str],
) -> Iterator[Fact]:
    yield Fact(name="run", value=state.run, code=True)
    if state.execution:
        yield Fact(name="execution", value=state.execution, code=True)
    tags = lineage.tags if lineage is not None else {}
    for name, tag, code in _TAGS:
        if value := tags.get(tag):
            if tag == "waterflow.git_commit":
                value += _changed(tags)
            yield Fact(name=name, value=hiding.text(value), code=code)
    for uri, digest in (basis.data if basis is not None else {}).items():
        yield Fact(name="data", value=f"{hiding.address(uri)} {digest}", code=True)
    named = images or _named_images(pipeline)
    for image in dict.fromkeys(named.values()):
        yield Fact(name="image", value=image, code=True)
    for name, text in _libraries(basis):
        yield Fact(name=name, value=text)


def _named_images(pipeline: spec.Pipeline | None) -> dict[str, str]:
    """Return the images that steps name themselves, by step."""
    named = {
        step.name: step.run.image
        if isinstance(step.run, spec.Container)
        else step.environment.image
        for step in (pipeline.steps if pipeline else ())
    }
    return {step: image for step, image in named.items() if image}


def _changed(tags: Mapping[str, str]) -> str:
    return " with changes" if tags.get("waterflow.git_dirty") == "true" else ""


def _libraries(basis: RunBasis | None) -> Iterator[tuple[str, str]]:
    versions: dict[str, str] = {}
    for step in basis.steps.values() if basis is not None else ():
        for name, pin in step.libraries.items():
            version = pin.partition(" ")[0]
            if not version.startswith("sha256:"):
                versions[name.removeprefix("module ")] = version
    if versions:
        yield "libraries", ", ".join(f"{name} {versions[name]}" for name in sorted(versions))


def patch(lineage: Lineage | None) -> str:
    """Return how a run's code differs from its commit, without what looks like a secret."""
    text = lineage.files.get(PATCH, "") if lineage is not None else ""
    if len(text) > _PATCH_CHARACTERS:
        text = f"{text[:_PATCH_CHARACTERS]}\n... the rest: waterflow code RUN"
    return hiding.text(text) if text else ""
