"""What a run would do: the runner's own decisions, taken from what is in the store already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waterflow import artifacts
from waterflow.data.fingerprints import Fingerprints, text_digest, walk
from waterflow.provider.basis import RunBasis
from waterflow.provider.expectation import Expectation
from waterflow_local import environments
from waterflow_local.decisions import Decisions, Known, Outcome, why_it_runs
from waterflow_local.store import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from waterflow.data import Pinned
    from waterflow.provider import Build
    from waterflow_local.document import LocalDocument, LocalJob
    from waterflow_local.store import Store


def foretell(
    build: Build,
    document: LocalDocument,
    parameters: Mapping[str, Any],
    store: Store,
    images: Mapping[str, str],
) -> dict[str, Expectation]:
    """Return what each step of a run would do.

    A step behind one that will run is "unknown": the other may make the same again, which then
    answers it.

    Args:
        build: What was compiled.
        document: The compiled document.
        parameters: The run's parameters; one that is not known is not in it.
        store: The project's artifacts and cache.
        images: Image -> the folder that stands for it.

    Raises:
        ConfigurationError: A requirement cannot be read.
    """
    stored = {uri: _stored(pinned, store) for uri, pinned in build.data.items()}
    known = Known(
        parameters,
        {uri: artifact for uri, artifact in stored.items() if artifact is not None},
        [n for n, p in build.spec.parameters.items() if p.type == "data"],
        basis=RunBasis.of(build, "", parameters),
    )
    outcomes: dict[str, Outcome] = {}
    decisions = Decisions(document.gates, known, outcomes)
    unresolved = {step.name for step in build.spec.steps if environments.unmet(step, images)}
    expectations: dict[str, Expectation] = {}
    for name, job in document.jobs.items():
        expectations[name] = Expectation()
        try:
            if decisions.skipped(job):
                outcomes[name] = Outcome(skipped=True)
                expectations[name] = Expectation(cache="skipped")
                continue
            if not job.cache:
                expectations[name] = Expectation(cache="will run", why=(job.never,))
                continue
            basis = decisions.basis(job, *decisions.bind(job))
        except KeyError:  # an outcome, a parameter or data that is not known
            expectations[name] = Expectation(why=_open(job, outcomes))
            continue
        if name in unresolved:
            continue
        result = store.get(basis.key)
        if result is None:
            why = why_it_runs(store, document.pipeline, name, job, basis)
            expectations[name] = Expectation(cache="will run", why=why)
        else:
            outcomes[name] = Outcome(result.outputs, result.values)
            expectations[name] = Expectation(cache="cached", run=result.origin["execution"])
    return expectations


def _open(job: LocalJob, outcomes: Mapping[str, Outcome]) -> tuple[str, ...]:
    """Return what it depends on whether a step will run."""
    if not job.cache:
        return (job.never,)
    waiting = [step for step in job.upstream if step not in outcomes]
    return (f"it depends on what {', '.join(waiting)} makes",) if waiting else ()


def identity(pinned: Pinned) -> str | None:
    """Return what tells a version of outside data from all others; None when nothing does."""
    version = pinned.sha256 or pinned.version
    return None if version is None else text_digest(f"data 2\0{pinned.uri}\0{version}")


def _stored(pinned: Pinned, store: Store) -> Stored | None:
    """Return the artifact that outside data is, or would be; None where only fetching it tells."""
    version = identity(pinned)
    known = None if version is None else store.known_data(version)
    if known is not None or pinned.sha256 is None or pinned.local is None:
        return known
    return _sealed(pinned.local, store.state.folder)


def _sealed(path: Path, state: Path) -> Stored:
    """Return the artifact that a local file or folder would be, bringing nothing into the store."""
    with Fingerprints(state) as known:
        files = {
            _name(file, path): artifacts.FileEntry(known.sha256(file), file.stat().st_size)
            for file in ([path] if path.is_file() else walk(path))
        }
    total = sum(entry.size for entry in files.values())
    return Stored("data", artifacts.digest("data", files), total)


def _name(file: Path, top: Path) -> str:
    """Return the name that a file of outside data has in its artifact."""
    return file.relative_to(top.parent).as_posix() if top.name else f"data/{file.relative_to(top)}"
