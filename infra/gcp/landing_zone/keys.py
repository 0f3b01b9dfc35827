"""The key of the zone's own, and which of Google's services may encrypt by it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import pulumi
from pulumi_gcp import kms, projects

from landing_zone.component import Component

if TYPE_CHECKING:
    from landing_zone.place import Place

_ROTATION: Final = "7776000s"
"""Ninety days."""
_CRYPTER: Final = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
AGENTS: Final = {
    "aiplatform": "gcp-sa-aiplatform",
    "artifactregistry": "gcp-sa-artifactregistry",
    "pubsub": "gcp-sa-pubsub",
    "secretmanager": "gcp-sa-secretmanager",
    "sqladmin": "gcp-sa-cloud-sql",
    "storage": "gs-project-accounts",
}
"""Service -> what the address of its own account holds."""
_THERE: Final = ("storage",)
"""Those whose account comes with the service: the others' have to be made."""


@dataclass(frozen=True, kw_only=True)
class KeysArgs:
    """What the key is made of.

    Attributes:
        place: Where it is.
        services: Which services encrypt by it, of AGENTS.
        protect: Whether it can be destroyed by no one command.
    """

    place: Place
    services: tuple[str, ...]
    protect: bool


class Keys(Component[KeysArgs]):
    """A key that renews itself; `after` is what has to be before anything encrypts by it."""

    def _make(self, name: str, args: KeysArgs) -> None:
        place = args.place
        ring = kms.KeyRing(name, project=place.project, location=place.region, opts=self.child())
        key = kms.CryptoKey(
            name,
            key_ring=ring.id,
            purpose="ENCRYPT_DECRYPT",
            rotation_period=_ROTATION,
            opts=self.child(protect=args.protect),
        )
        self.after: list[pulumi.Resource] = []
        for service in args.services:
            before: list[pulumi.Resource] = []
            if service not in _THERE:
                before.append(
                    projects.ServiceIdentity(
                        f"{name}-{service}",
                        project=place.project,
                        service=f"{service}.googleapis.com",
                        opts=self.child(),
                    )
                )
            self.after.append(
                kms.CryptoKeyIAMMember(
                    f"{name}-{service}",
                    crypto_key_id=key.id,
                    role=_CRYPTER,
                    member=place.agent(AGENTS[service]),
                    opts=self.child(depends_on=before),
                )
            )
        self.id = key.id
        self.register_outputs({"id": self.id})
