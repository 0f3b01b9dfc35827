"""The profile's bucket in Blob Storage: how obstore reaches it, and its errors in Azure's words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.objects import CLIENT, RETRIES, Bucket
from waterflow_azureml.errors import refusal, translation

if TYPE_CHECKING:
    from obstore.store import AzureStore

    from waterflow.errors import WaterflowError
    from waterflow_azureml.connections import Connections
    from waterflow_azureml.profile import AzureMLSettings

_ANSWER: Final = re.compile(
    r"<Code>(?P<code>[^<]*)</Code>(?:.*?<Message>(?P<message>[^<]*)</Message>)?", re.DOTALL
)
_STATUS: Final = re.compile(r"status code: (?P<status>\d{3})")
_PLACE: Final = re.compile(
    r"https://(?P<account>\w+)\.blob\.core\.windows\.net/(?P<container>[\w$-]+)"
)
_CLASSES: Final = {
    "AlreadyExistsError": 409,
    "FileNotFoundError": 404,
    "NotFoundError": 404,
    "PermissionDeniedError": 403,
    "PreconditionError": 412,
    "UnauthenticatedError": 401,
}
"""Class of obstore -> the HTTP status that it stands for, where the words hold none."""


def place(settings: AzureMLSettings) -> str:
    """Return the address where a profile's part of its datastore begins, as its jobs know it."""
    return f"azureml://datastores/{settings.datastore}/paths/{settings.prefix}"


def bucket(connections: Connections) -> Bucket:
    """Return the part of the profile's container below its prefix.

    Args:
        connections: The ways to Azure, whose credential it takes.
    """
    return Bucket(lambda: _store(connections), place(connections.settings), object_error)


def _store(connections: Connections) -> AzureStore:
    from obstore.store import AzureStore

    credential: Any = connections.credential
    from obstore.auth.azure import AzureCredentialProvider

    settings = connections.settings
    return AzureStore(
        settings.container,
        prefix=settings.prefix,
        account_name=settings.account,
        credential_provider=AzureCredentialProvider(credential),
        client_options=CLIENT,
        retry_config=RETRIES,
    )


def object_error(operation: str, error: Exception) -> WaterflowError:
    """Return what obstore raised as one of Waterflow's errors.

    Its classes are few; the answer that it quotes holds Azure's code.

    Args:
        operation: The operation's name.
        error: What was raised.
    """
    cause = next((one for one in (error.__cause__, error.__context__) if one is not None), None)
    known = translation(cause, operation) if cause is not None else None
    if known is not None:
        return known  # azure-identity was asked for a token
    text = str(error).partition("\n\nDebug source:")[0]
    answer, status = _ANSWER.search(text), _STATUS.search(text)
    code = answer["code"] if answer else ""
    message = (answer["message"] if answer else None) or text.rpartition(" - ")[2]
    place = _PLACE.search(text)
    if code == "ContainerNotFound" and place is not None:
        message = (
            f"there is no container '{place['container']}' in the storage account "
            f"'{place['account']}'"
        )
    number = int(status["status"]) if status else _CLASSES.get(type(error).__name__, 0)
    return refusal(operation, number, code or type(error).__name__, message.partition("\n")[0])
