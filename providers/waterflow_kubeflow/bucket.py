"""The profile's bucket: S3 and what speaks as it does (MinIO), Cloud Storage, or Azure Blob."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from waterflow.cloud.objects import CLIENT, RETRIES, Bucket
from waterflow_kubeflow.errors import object_error
from waterflow_kubeflow.profile import place

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from waterflow_kubeflow.profile import KubeflowSettings


def bucket(settings: KubeflowSettings) -> Bucket:
    """Return the part of the profile's bucket below its prefix.

    Args:
        settings: The profile's settings.
    """
    return Bucket(lambda: _store(settings), settings.address, object_error)


def _store(settings: KubeflowSettings) -> ObjectStore:
    """Return the store, with credentials from where the store's own tools find them."""
    from obstore.store import AzureStore, GCSStore, S3Store

    parts = place(settings.bucket)
    common: dict[str, Any] = {"prefix": settings.prefix, "retry_config": RETRIES}
    if parts["account"] is not None:
        return AzureStore(
            parts["container"],
            account_name=parts["account"],
            client_options=CLIENT,
            **_azure_credentials(),
            **common,
        )
    if parts["scheme"] == "gs":
        return GCSStore(parts["bucket"], client_options=CLIENT, **common)
    endpoint = endpoint_of(settings)
    client: Any = {**CLIENT, "allow_http": (endpoint or "").startswith("http://")}
    more: dict[str, Any] = {"endpoint": endpoint} if endpoint else {}
    return S3Store(
        parts["bucket"],
        region=settings.region,
        # MinIO and its like know buckets by paths alone.
        virtual_hosted_style_request=endpoint is None,
        client_options=client,
        **_aws_credentials(),
        **more,
        **common,
    )


def endpoint_of(settings: KubeflowSettings) -> str | None:
    """Return the address of the S3 service as it is reached from here; None for AWS' own."""
    names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    return next((value for name in names if (value := os.environ.get(name))), settings.endpoint)


def _aws_credentials() -> dict[str, Any]:
    """Return boto3's credentials where it is installed: profiles and single sign-on are its own."""
    if os.environ.get("AWS_ACCESS_KEY_ID"):
        return {}
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider

        return {"credential_provider": Boto3CredentialProvider()}
    except (ModuleNotFoundError, ValueError):
        return {}


def _azure_credentials() -> dict[str, Any]:
    if os.environ.get("AZURE_STORAGE_ACCOUNT_KEY") or os.environ.get("AZURE_STORAGE_SAS_TOKEN"):
        return {}
    try:
        from obstore.auth.azure import AzureCredentialProvider

        return {"credential_provider": AzureCredentialProvider()}
    except ModuleNotFoundError:
        return {}
