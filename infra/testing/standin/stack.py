"""A stack: preview, up, refresh and destroy of a project's own program, without a cloud."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from standin import project
from standin.goals import PROTECTED, PROVIDERS
from standin.leaks import Plaintexts
from standin.monitor import served
from standin.provider import Carrier, Provider, ProviderError
from standin.registration import Run
from standin.result import Change, Result
from standin.schema import schemas_of
from standin.state import STACK_TYPE, Resource, State
from standin.values import Secret, bare, differences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standin.policies import PolicyPack

SECONDS = 300  # a program that takes longer hangs


class Stack:
    """One stack of a project. Its state lives as long as the object.

    Args:
        folder: The project's folder, with `Pulumi.yaml` and `__main__.py`.
        config: Config above that of the files; a key without a colon is the project's own, a
            `Secret` makes it a secret one.
        stack: The stack's name; `Pulumi.STACK.yaml` is read where there is one.
        python: The Python of the stack's environment; by default the folder's own `.venv`, and
            this process's where there is none.
        policies: A policy pack to ask.
        carriers: By package, what makes resources for real; see `standin.carriers`.
    """

    def __init__(
        self,
        folder: Path | str,
        config: Mapping[str, Any] | None = None,
        *,
        stack: str = "dev",
        python: Path | None = None,
        policies: PolicyPack | None = None,
        carriers: Mapping[str, Carrier] | None = None,
    ) -> None:
        self.folder = Path(folder).resolve()
        self.name = stack
        self.config = dict(config or {})
        self.python = python or interpreter(self.folder)
        self.policies = policies
        self.state = State()
        self._schemas = schemas_of(self.python)
        self._carriers = dict(carriers or {})
        self._providers: dict[str, Provider] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget what the stack made."""
        self.state = State()
        self._providers.clear()

    @property
    def kept(self) -> int:
        """How many resources the providers keep."""
        return sum(len(one.kept) for one in self._providers.values())

    def provider(self, package: str) -> Provider:
        """Return the stand-in provider of a package."""
        if package not in self._providers:
            self._providers[package] = Provider(package, self._schemas, self._carriers.get(package))
        return self._providers[package]

    def preview(self, config: Mapping[str, Any] | None = None) -> Result:
        """Foresee an update and change nothing.

        Args:
            config: Config for this one operation, above the stack's own.

        Raises:
            ProjectError: The config is not what the project declares.
        """
        return self._run("preview", config, preview=True)

    def up(self, config: Mapping[str, Any] | None = None) -> Result:
        """Update the stack.

        Args:
            config: Config for this operation and those after it, above the stack's own.

        Raises:
            ProjectError: The config is not what the project declares.
        """
        self.config |= config or {}
        return self._run("up", None, preview=False)

    def refresh(self) -> Result:
        """Read every resource anew; a change is one that was made behind the stack's back."""
        changes: dict[str, Change] = {}
        details: dict[str, tuple[str, ...]] = {}
        for resource in list(self.state):
            if not resource.custom or resource.type.startswith(PROVIDERS):
                continue
            answer = self.provider(resource.package).read(resource.type, bare(resource.id))
            if answer is None:
                changes[resource.urn] = "delete"
                del self.state.resources[resource.urn]
                continue
            inputs, outputs = answer
            paths = differences(bare(resource.outputs), bare(outputs))
            changes[resource.urn] = "update" if paths else "same"
            if paths:
                details[resource.urn] = tuple(paths)
                resource.outputs = _wrapped(outputs, resource.outputs)
                resource.inputs = _wrapped(inputs, resource.inputs)
        return Result("refresh", changes, details, list(self.state))

    def destroy(self) -> Result:
        """Delete all resources, the last made first; none where one of them is protected."""
        run = self._blank()
        for resource in self.state:
            if resource.protect:
                run.say("error", "engine", PROTECTED.format(resource.urn), resource.urn)
        result = Result("destroy", diagnostics=run.diagnostics)
        if result.ok:
            for resource in reversed(list(self.state)):
                if resource.type != STACK_TYPE and not _implicit(resource.urn, resource.type):
                    result.changes[resource.urn] = "delete"
                try:
                    self._delete(resource)
                except ProviderError as error:
                    run.say("error", "provider", f"deleting it failed: {error}", resource.urn)
                    break  # what was made before it may be what it hangs on
                del self.state.resources[resource.urn]
        result.resources = list(self.state)
        return result

    def drift(self, urn: str, changes: Mapping[str, Any]) -> None:
        """Change a resource behind the stack's back.

        Args:
            urn: The resource's URN, or its logical name where that names one alone.
            changes: The outputs' new values, by their names on the wire.

        Raises:
            KeyError: No resource, or more than one, is called that.
        """
        resource = self.state.get(urn) or Result("drift", resources=list(self.state)).resource(urn)
        self.provider(resource.package).drift(resource.type, bare(resource.id), changes)

    def export(self) -> str:
        """Return the state as `pulumi stack export` writes it."""
        return self.state.document()

    def _delete(self, resource: Resource) -> None:
        kept = resource.external or resource.retain or resource.type.startswith(PROVIDERS)
        if resource.custom and not kept:
            self.provider(resource.package).delete(resource.type, bare(resource.id))

    def _blank(self, config: Mapping[str, Any] | None = None, *, preview: bool = False) -> Run:
        read = project.read(self.folder, self.name, {**self.config, **(config or {})})
        self._secret_keys = read.secret_keys
        return Run(
            read.name,
            self.name,
            read.config,
            self.state.copy(),
            preview,
            self.provider,
            self.policies,
        )

    def _run(self, operation: str, config: Mapping[str, Any] | None, *, preview: bool) -> Result:
        run = self._blank(config, preview=preview)
        with served(run, self._secret_keys) as address:
            self._program(run, address)
            run.finish()
        plaintexts = Plaintexts(run, self._secret_keys)
        run.diagnostics += plaintexts.leaks(run.after)
        diagnostics = [plaintexts.masked(one) for one in run.diagnostics]
        if not preview:
            self.state.resources = run.after.resources
        changes = dict(run.changes.items())
        return Result(operation, changes, run.details, list(run.after), diagnostics)

    def _program(self, run: Run, address: str) -> None:
        order = {
            "monitor": address,
            "engine": address,
            "project": run.project,
            "stack": run.stack,
            "organization": "organization",
            "config": run.config,
            "secret_keys": self._secret_keys,
            "preview": run.preview,
            "folder": str(self.folder),
        }
        try:
            process = subprocess.run(
                [str(self.python), str(Path(__file__).with_name("program.py"))],
                input=json.dumps(order),
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
                env=_environment(),
            )
        except subprocess.TimeoutExpired:
            run.say("error", "program", f"the program did not end within {SECONDS} seconds")
            return
        if process.stdout.strip():
            run.say("info", "program", process.stdout.strip())
        if process.returncode:
            run.say("error", "sdk", process.stderr.strip() or f"ended with {process.returncode}")
        elif process.stderr.strip():
            run.say("info", "program", process.stderr.strip())


def interpreter(folder: Path) -> Path:
    """Return the Python of a project: its own environment's, this process's where it has none."""
    own = folder / ".venv" / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


def _environment() -> dict[str, str]:
    """Return the program's environment, without what leads to an account of this machine."""
    # And without what would have each operation compile the SDK's hundreds of modules anew.
    names = ("AWS_", "AZURE_", "ARM_", "GOOGLE_", "CLOUDSDK_", "PULUMI_", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(names)}


def _implicit(urn: str, token: str) -> bool:
    return token.startswith(PROVIDERS) and urn.endswith("::default")


def _wrapped(values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of which those are secret that were before."""
    return {
        name: Secret(bare(value)) if isinstance(before.get(name), Secret) else value
        for name, value in values.items()
    }
