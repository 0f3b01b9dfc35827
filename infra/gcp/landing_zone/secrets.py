"""The secrets that jobs read: their places, which somebody fills; the stack knows no value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulumi_gcp import secretmanager

from landing_zone.component import Component

if TYPE_CHECKING:
    import pulumi

    from landing_zone.place import Place


@dataclass(frozen=True, kw_only=True)
class SecretsArgs:
    """Which secrets there are.

    Attributes:
        place: Where they are.
        names: Their names, as pipelines ask for them.
        key: The key that they are encrypted by; None for Google's own.
        protect: Whether they can be destroyed by no one command.
    """

    place: Place
    names: tuple[str, ...]
    key: pulumi.Input[str] | None
    protect: bool


class Secrets(Component[SecretsArgs]):
    """The secrets, each in the zone's region alone."""

    def _make(self, name: str, args: SecretsArgs) -> None:
        self.ids: dict[str, pulumi.Output[str]] = {}
        for one in args.names:
            replica: secretmanager.SecretReplicationUserManagedReplicaArgsDict = {
                "location": args.place.region
            }
            if args.key is not None:
                replica["customer_managed_encryption"] = {"kms_key_name": args.key}
            secret = secretmanager.Secret(
                f"{name}-{one}",
                project=args.place.project,
                secret_id=one,
                replication={"user_managed": {"replicas": [replica]}},
                opts=self.child(protect=args.protect),
            )
            self.ids[one] = secret.secret_id
        self.register_outputs({})
