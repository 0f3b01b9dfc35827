"""Keys and passwords that last: who has one is let in, whoever that is, until somebody notices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rules.subject import Subject, known

if TYPE_CHECKING:
    from collections.abc import Iterator

# By type: what each property has to be for no key to open the resource, and its default.
CLOSED: Final[dict[str, dict[str, tuple[Any, Any]]]] = {
    "azure-native:storage:StorageAccount": {"allowSharedKeyAccess": (False, True)},
    "azure-native:containerregistry:Registry": {"adminUserEnabled": (False, False)},
    "azure-native:keyvault:Vault": {"properties.enableRbacAuthorization": (True, False)},
    "azure-native:machinelearningservices:Compute": {"properties.disableLocalAuth": (True, False)},
    "azure-native:machinelearningservices:Datastore": {
        "properties.credentials.credentialsType": ("None", None)
    },
    "azure-native:operationalinsights:Workspace": {"features.disableLocalAuth": (True, False)},
}
# By type: the property that says that a key opens nothing, and what it then is; None where no
# key of the type is well.
STANDING: Final[dict[str, tuple[str, str] | None]] = {
    "aws:iam/accessKey:AccessKey": ("status", "Inactive"),
    "gcp:storage/hmacKey:HmacKey": ("state", "INACTIVE"),
    "gcp:serviceaccount/key:Key": None,
}


def standing(subject: Subject) -> Iterator[str]:
    """Whether a key that lasts opens a resource, or is one."""
    for name, (right, default) in CLOSED.get(subject.type, {}).items():
        value = subject.get(name, default)
        if known(value) and value != right:
            yield f"{name} has to be {right!r}: a key would open it, and roles open it too"
    if subject.type in STANDING:
        ended = STANDING[subject.type]
        value = subject.get(ended[0]) if ended else None
        if known(value) and (ended is None or value != ended[1]):
            yield "it is a key that lasts: let an identity open it, or a workflow's own token"
