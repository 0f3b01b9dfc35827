"""The same operations through the real `pulumi`, with a local backend and the stand-in provider."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from standin import project
from standin.result import Change, Diagnostic, Layer, Result
from standin.stack import interpreter
from standin.state import STACK_TYPE, Resource
from standin.values import Secret, read

if TYPE_CHECKING:
    from standin.policies import PolicyPack

PLUGINS = Path(__file__).parents[1] / "plugins"
# An engine's word for a step -> ours; what belongs to another step is left out.
STEPS: dict[str, Change] = {
    "create": "create",
    "update": "update",
    "replace": "replace",
    "delete": "delete",
    "same": "same",
    "read": "read",
    "refresh": "same",
}


class MissingPulumiError(Exception):
    """There is no `pulumi` on PATH."""


class PulumiStack:
    """As `standin.Stack`, with Pulumi's own engine between the program and the stand-in provider.

    Args:
        folder: The project's folder; it is copied with its neighbours, and not touched.
        config: As for `Stack`.
        stack: As for `Stack`.
        python: As for `Stack`.
        policies: A pack; its folder is handed to `pulumi`.

    Raises:
        MissingPulumiError: There is no `pulumi` on PATH.
    """

    def __init__(
        self,
        folder: Path | str,
        config: Mapping[str, Any] | None = None,
        *,
        stack: str = "dev",
        python: Path | None = None,
        policies: PolicyPack | None = None,
    ) -> None:
        if shutil.which("pulumi") is None:
            raise MissingPulumiError(
                "pulumi is not on PATH: see https://www.pulumi.com/docs/install"
            )
        source = Path(folder).resolve()
        self.home = Path(tempfile.mkdtemp(prefix="standin-"))
        self.folder = self.home / "projects" / source.name
        self.name, self.config, self.policies = stack, dict(config or {}), policies
        self.python = python or interpreter(source)
        ignored = shutil.ignore_patterns(".venv", "__pycache__")
        shutil.copytree(source.parent, self.folder.parent, ignore=ignored)
        if (source / ".venv").exists():
            (self.folder / ".venv").symlink_to(source / ".venv")
        self._kept = self.home / "kept.json"
        self._pulumi("stack", "init", self.name)

    def close(self) -> None:
        """Remove the copy and the backend."""
        shutil.rmtree(self.home)

    def preview(self, config: Mapping[str, Any] | None = None) -> Result:
        """Foresee an update."""
        return self._operation("preview", {**self.config, **(config or {})}, "--diff")

    def up(self, config: Mapping[str, Any] | None = None) -> Result:
        """Update the stack."""
        self.config |= config or {}
        return self._operation("up", self.config, "--yes", "--skip-preview")

    def refresh(self) -> Result:
        """Read every resource anew."""
        return self._operation("refresh", self.config, "--yes", "--skip-preview")

    def destroy(self) -> Result:
        """Delete all resources."""
        return self._operation("destroy", self.config, "--yes", "--skip-preview")

    def drift(self, urn: str, changes: Mapping[str, Any]) -> None:
        """Change a resource in what the provider keeps."""
        resource = next(one for one in self._resources() if urn in {one.urn, one.name})
        rows = json.loads(self._kept.read_text())
        for token, identifier, _, outputs in rows:
            if (token, identifier) == (resource.type, resource.id):
                outputs.update(changes)
        self._kept.write_text(json.dumps(rows))

    def export(self) -> str:
        """Return the state."""
        return self._pulumi("stack", "export").stdout

    @property
    def kept(self) -> int:
        """How many resources the provider keeps."""
        return len(json.loads(self._kept.read_text())) if self._kept.exists() else 0

    def _operation(self, name: str, config: Mapping[str, Any], *flags: str) -> Result:
        self._configure(config)
        events = self.home / "events.json"
        events.unlink(missing_ok=True)
        packs = ["--policy-pack", str(self.policies.folder)] if self.policies else []
        process = self._pulumi(
            name, "--non-interactive", "--event-log", str(events), *flags, *packs, check=False
        )
        lines = events.read_text().splitlines() if events.exists() else []
        result = result_of(name, map(json.loads, lines))
        if name != "preview":
            result.resources = self._resources()
        if process.returncode and result.ok:
            result.diagnostics.append(Diagnostic("error", "engine", process.stderr.strip()))
        return result

    def _configure(self, config: Mapping[str, Any]) -> None:
        whole = project.read(self.folder, self.name, config)
        values: list[str] = []
        for key, value in whole.config.items():
            values += ["--secret" if key in whole.secret_keys else "--plaintext", f"{key}={value}"]
        self._pulumi("config", "set-all", *values)

    def _resources(self) -> list[Resource]:
        document = json.loads(self._pulumi("stack", "export", "--show-secrets").stdout)
        rows = document["deployment"].get("resources", [])
        return [resource_of(row) for row in rows if not row.get("delete")]

    def _pulumi(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        paths = [PLUGINS, self.python.parent, os.environ.get("PATH", "")]
        environment = {
            **os.environ,
            "PATH": os.pathsep.join(map(str, paths)),
            "PULUMI_BACKEND_URL": self.home.as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "stand-in",
            "PULUMI_HOME": str(self.home / ".pulumi"),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "STANDIN_KEPT": str(self._kept),
        }
        named = ["--stack", self.name] if arguments[:2] != ("stack", "init") else []
        process = subprocess.run(
            ["pulumi", *arguments, *named],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        if check and process.returncode:
            raise RuntimeError(f"pulumi {' '.join(arguments[:2])} failed:\n{process.stderr}")
        return process


def result_of(operation: str, events: Iterable[Mapping[str, Any]]) -> Result:
    """Return an operation's outcome from the engine's events, one of `--event-log`'s lines each.

    Their form is that of `apitype.EngineEvent`: sdk/go/common/apitype/events.go in pulumi/pulumi.
    """
    result = Result(operation)
    resources: dict[str, Resource] = {}
    for event in events:
        for kind in ("resourcePreEvent", "resOutputsEvent"):
            if kind in event:
                _step(result, resources, event[kind]["metadata"])
        if "diagnosticEvent" in event:
            one = event["diagnosticEvent"]
            severity = one["severity"].removesuffix("#err")
            if severity in {"info", "warning", "error"}:
                message = one["message"].strip()
                layer = _layer(message)
                result.diagnostics.append(Diagnostic(severity, layer, message, one.get("urn", "")))
        if "policyEvent" in event:
            one = event["policyEvent"]
            severity = "error" if one["enforcementLevel"] == "mandatory" else "warning"
            message = f"{one['policyName']}: {one['message']}"
            urn = one.get("resourceUrn", "")
            result.diagnostics.append(Diagnostic(severity, "policy", message, urn))
    result.resources = list(resources.values())
    return result


def _step(result: Result, resources: dict[str, Resource], step: Mapping[str, Any]) -> None:
    urn, change = step["urn"], STEPS.get(step["op"])
    implicit = step["type"].startswith("pulumi:providers:") and "::default" in urn
    if change and step["type"] != STACK_TYPE and not implicit:
        result.changes[urn] = change
        paths = [*(step.get("detailedDiff") or step.get("diffs") or ())]
        if change == "same" and paths:
            result.changes[urn] = "update"  # what a refresh has seen
        if paths:
            result.details[urn] = tuple(paths)
    if step.get("new"):
        resources[urn] = resource_of(step["new"])


def _layer(message: str) -> Layer:
    """Return the layer that a message of the engine's comes from, by its words."""
    if "Program failed" in message or "unhandled exception" in message:
        return "sdk"
    return "schema" if "has a problem" in message else "engine"


def resource_of(row: Mapping[str, Any]) -> Resource:
    """Return a resource from its row in a state, or in an event."""
    return Resource(
        row["urn"],
        row["type"],
        row["urn"].rsplit("::", 1)[1],
        custom=bool(row.get("custom")),
        parent=row.get("parent", ""),
        id=row.get("id"),
        inputs=_properties(row.get("inputs")),
        outputs=_properties(row.get("outputs")),
        protect=bool(row.get("protect")),
        provider=row.get("provider", ""),
    )


def _properties(values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return properties; a secret's plain text is JSON in a state."""

    def opened(value: Any) -> Any:
        if isinstance(value, dict) and "plaintext" in value:
            return Secret(read(json.loads(value["plaintext"])))
        return read(value)

    return {name: opened(value) for name, value in (values or {}).items()}
