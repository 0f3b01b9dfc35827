"""Lineage: what is recorded with every run, so that months later one can say what made it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

from waterflow import spec
from waterflow.project import state_path
from waterflow.provider import JOBS, TrackingTarget
from waterflow.spec.labels import labels
from waterflow.tracking.managed import need_plugin
from waterflow.tracking.names import GROUPS, LABELS, TAG_LIMIT
from waterflow.tracking.store import resolve_uri

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from waterflow.project.profile import Profile
    from waterflow.provider import Build, Document, Submission

CODE: Final = "code.json"
"""The file, among a run's artifacts, with the digest of each step's code."""


def tracking_target(pipeline: spec.Pipeline, profile: Profile, root: Path) -> TrackingTarget:
    """Return where a pipeline's runs are tracked, by the profile and by this environment.

    Args:
        pipeline: The pipeline.
        profile: The settings in force.
        root: The project's folder.

    Raises:
        ConfigurationError: The tracking URI is none that MLflow takes.
    """
    uri = resolve_uri(profile.tracking_uri, os.environ, state_path(root))
    return TrackingTarget(uri=uri, experiment=profile.experiment or pipeline.name)


def tracking_record(
    build: Build, document: Document, profile: Profile, submission: Submission
) -> dict[str, Any]:
    """Return what a run's tracking needs.

    Args:
        build: The spec and what was found about its code.
        document: The compiled pipeline.
        profile: The settings in force.
        submission: Who starts it, and how.

    Returns:
        `uri` and `experiment` of MLflow, `tags` of the parent run, and `files` to keep with it:
        name -> text.
    """
    from waterflow.graph import to_mermaid, to_svg

    need_plugin(build.tracking.uri)
    return {
        "uri": build.tracking.uri,
        "experiment": build.tracking.experiment,
        "tags": tags(build, document.provider, profile.name)
        | call_tags(build.spec)
        | dict(submission.tags),
        "files": {
            "spec.json": spec.encode(build.spec).decode(),
            "graph.svg": to_svg(build.spec),
            "graph.mmd": to_mermaid(build.spec),
            "requirements.lock": build.lock.text,
            CODE: code_text(code(build)),
            **submission.files,
        },
    }


def tags(build: Build, provider: str, profile: str) -> dict[str, str]:
    """Return a run's lineage as tags."""
    lineage = {
        "waterflow.pipeline": build.spec.name,
        "waterflow.pipeline_digest": build.digest,
        "waterflow.code_digest": code_digest(build),
        "waterflow.lock_digest": build.lock.sha256,
        "waterflow.python": build.python,
        "waterflow.provider": provider,
        "waterflow.profile": profile,
    }
    if build.git.commit is not None:
        lineage["waterflow.git_commit"] = build.git.commit
        lineage["waterflow.git_dirty"] = str(bool(build.git.dirty)).lower()
    for uri, pinned in build.data.items():
        version = pinned.sha256 or pinned.version or "unpinned"
        lineage[f"waterflow.data.{_tag_part(uri)}"] = version
    return lineage


def call_tags(pipeline: spec.Pipeline) -> dict[str, str]:
    """Return, as tags, what calls of one step are told apart by, and in which groups they stand.

    The steps' runs are called so, and are given their groups. They are no part of a document: both
    follow from the spec. Of more than a tag holds, what comes first is in it.
    """
    groups = {step.name: step.group for step in pipeline.steps if step.group}
    tags: dict[str, str] = {}
    for tag, texts in ((LABELS, labels(pipeline)), (GROUPS, groups)):
        room, kept = TAG_LIMIT - len("{}"), dict[str, str]()
        for name, text in texts.items():
            room -= len(json.dumps({name: text}))
            if room < 0:
                break
            kept[name] = text
        if kept:
            tags[tag] = json.dumps(kept)
    return tags


def code(build: Build) -> dict[str, str]:
    """Return the digest of each step's code bundle."""
    return {name: bundle.digest for name, bundle in build.bundles.items()}


def code_digest(build: Build) -> str:
    """Return one digest over the code of all steps."""
    from waterflow.data.fingerprints import text_digest

    lines = sorted(f"{name} {digest}" for name, digest in code(build).items())
    return text_digest("\n".join(lines))


def priced(document: Document) -> dict[str, str]:
    """Return the file that is kept with a run of what its jobs run on, and its price an hour.

    Args:
        document: The compiled pipeline.

    Returns:
        Name -> text; empty where no machine has a price.
    """
    if all(job.price is None for job in document.jobs):
        return {}
    jobs = {job.step: {"machine": job.machine, "price": job.price} for job in document.jobs}
    return {JOBS: json.dumps(jobs, indent=2, sort_keys=True) + "\n"}


def code_text(digests: Mapping[str, str]) -> str:
    """Return the digests of the steps' code as a file that is kept with a run."""
    return json.dumps(dict(digests), indent=2, sort_keys=True) + "\n"


def _tag_part(text: str) -> str:
    """Return text that MLflow takes within a tag's name."""
    return "".join(c if c.isalnum() or c in "_-./" else "_" for c in text).strip("/")[:200]
