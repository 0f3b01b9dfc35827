"""Projects and locations: whose resources names are, and how their names are written."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator.errors import Refusal, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waterflow_vertex.emulator.routes import Call

_LOCATION: Final = re.compile(r"[a-z]+(-[a-z]+)+\d+|global|us|eu")
PARENT: Final = re.compile(r"projects/([^/]+)/locations/([^/]+)")
USUAL_SERVICES: Final = (
    "aiplatform", "artifactregistry", "cloudbuild", "cloudquotas", "cloudresourcemanager",
    "compute", "iam", "iamcredentials", "logging", "monitoring", "oauth2", "run", "secretmanager",
    "serviceusage", "sqladmin", "storage", "storage-api", "storage-component",
)  # fmt: skip
"""The services that are enabled in the projects here."""


@dataclass(frozen=True)
class Project:
    """A project.

    Attributes:
        id: Its id.
        number: Its number, as text.
        created: When it was made, in seconds since the epoch.
    """

    id: str
    number: str
    created: float

    @property
    def usual_account(self) -> str:
        """The account of jobs that name none: Compute Engine's."""
        return f"{self.number}-compute@developer.gserviceaccount.com"


class Projects:
    """The part that knows the projects, their service accounts and what these may do."""

    def __init__(self) -> None:
        self._held: dict[str, Project] = {}
        self._accounts: dict[str, dict[str, str]] = {}
        self._services: dict[str, set[str]] = {}
        self.policies: dict[str, dict[str, Any]] = {}
        """Resource -> its IAM policy."""
        self.roles: dict[str, dict[str, Any]] = {}
        """Custom roles by name -> what is said of each, and whether it is deleted."""

    def make(self, identity: str, moment: float) -> Project:
        """Make a project, with the accounts that each has."""
        digest = int(hashlib.sha256(identity.encode()).hexdigest(), 16)
        project = Project(identity, str(10**11 + digest % (9 * 10**11)), moment)
        self._held[identity] = project
        self.add_account(project.usual_account)
        return project

    def all(self) -> list[Project]:
        """Return all projects."""
        return list(self._held.values())

    def find(self, name: str) -> Project | None:
        """Return a project by its id or its number; None where there is none."""
        held = self._held.get(name)
        return held or next((one for one in self.all() if one.number == name), None)

    def get(self, name: str, permission: str = "resourcemanager.projects.get") -> Project:
        """Return a project by its id or its number.

        Args:
            name: The id or the number.
            permission: The permission that is refused where there is no such project: Google tells
                nobody which it is.

        Raises:
            Refusal: There is none.
        """
        held = self.find(name)
        if held is None:
            there = ", ".join(self._held)
            raise Refusal(
                "PERMISSION_DENIED",
                f"Permission '{permission}' denied on resource 'projects/{name}' (or it may not "
                f"exist). The emulator's projects: {there}.",
            )
        return held

    def parent(self, call: Call, name: str) -> str:
        """Return a location's name, as answers have it: with the project's number.

        Args:
            call: Who calls, and where.
            name: `projects/P/locations/L`.

        Raises:
            Refusal: There is no such project or location, or it is not at this host.
        """
        match = PARENT.fullmatch(name)
        if match is None:
            raise invalid(f"Invalid resource name '{name}': projects/P/locations/L is expected.")
        project, location = self.get(match[1], "aiplatform.locations.get"), match[2]
        if not _LOCATION.fullmatch(location):
            raise invalid(f"Location '{location}' is not supported.")
        region = call.host.partition("-aiplatform.")[0] if "-aiplatform." in call.host else location
        if region != location:
            raise invalid(
                f"The location '{location}' of the resource is not the endpoint's: use "
                f"https://{location}-aiplatform.googleapis.com."
            )
        return f"projects/{project.number}/locations/{location}"

    def canonical(self, call: Call, name: str) -> str:
        """Return a resource's name as answers have it."""
        parts = name.split("/", 4)
        if len(parts) < 5:
            raise invalid(f"Invalid resource name '{name}'.")
        return f"{self.parent(call, '/'.join(parts[:4]))}/{parts[4]}"

    def of(self, name: str) -> Project:
        """Return the project of a resource's name."""
        parts = name.split("/")
        return self.get(parts[1] if len(parts) > 1 else name)

    def accounts(self, project: Project) -> list[str]:
        """Return the service accounts of a project."""
        own = (f"@{project.id}.iam.", f"{project.number}-")
        return sorted(one for one in self._accounts if own[0] in one or one.startswith(own[1]))

    def account(self, email: str) -> str | None:
        """Return a service account; None where there is none."""
        return email if email in self._accounts else None

    def about(self, email: str) -> dict[str, str]:
        """Return what is said of a service account: its `displayName` and `description`."""
        return self._accounts.get(email, {})

    def add_account(self, email: str, about: Mapping[str, str] | None = None) -> None:
        """Make a service account, or change what is said of one.

        Args:
            email: Its e-mail address.
            about: What is said of it; None to leave it as it is.
        """
        self._accounts[email] = dict(self.about(email) if about is None else about)

    def remove_account(self, email: str) -> None:
        """Remove a service account, and who may act as it."""
        self._accounts.pop(email, None)
        self.policies.pop(f"serviceAccounts/{email}", None)

    def services(self, project: Project) -> set[str]:
        """Return the services that are enabled in a project, without googleapis.com."""
        return set(self._services.get(project.id, USUAL_SERVICES))

    def enable(self, project: Project, service: str, *, on: bool) -> None:
        """Enable a service in a project, or disable it."""
        held = self.services(project)
        self._services[project.id] = held | {service} if on else held - {service}

    def snapshot(self) -> dict[str, Any]:
        """Return all projects as JSON."""
        return {
            "projects": {one.id: one.created for one in self.all()},
            "accounts": self._accounts,
            "services": {name: sorted(ones) for name, ones in self._services.items()},
            "policies": self.policies,
            "roles": self.roles,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take the projects of a snapshot."""
        for identity, created in saved["projects"].items():
            self.make(identity, created)
        self._accounts.update(saved["accounts"])
        self._services = {name: set(ones) for name, ones in saved.get("services", {}).items()}
        self.policies = dict(saved["policies"])
        self.roles = dict(saved.get("roles", {}))
