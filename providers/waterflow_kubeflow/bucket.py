"""The profile's bucket: in S3, in what speaks as it does, such as MinIO, or in Cloud Storage."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from waterflow.cloud.objects import CLIENT, RETRIES, Bucket
from waterflow.errors import ConfigurationError
from waterflow_kubeflow.errors import google_error, object_error
from waterflow_kubeflow.profile import place

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from waterflow_kubeflow.profile import KubeflowSettings


def bucket(settings: KubeflowSettings) -> Bucket:
    """Return the part of the profile's bucket below its prefix.

    Args:
        settings: The profile's settings.
    """
    parts = place(settings.bucket)
    error = partial(object_error, bucket=parts["bucket"])
    # What is written over is known by its generation: Cloud Storage compares no ETags there.
    tag: Literal["e_tag", "version"] = "version" if parts["scheme"] == "gs" else "e_tag"
    return Bucket(lambda: _store(settings), settings.address, error, tag=tag)


def _store(settings: KubeflowSettings) -> ObjectStore:
    """Return the store, with credentials from where the store's own tools find them."""
    from obstore.store import GCSStore, S3Store

    parts = place(settings.bucket)
    common: dict[str, Any] = {"prefix": settings.prefix, "retry_config": RETRIES}
    if parts["scheme"] == "gs":
        return GCSStore(parts["bucket"], client_options=CLIENT, **_google_credentials(), **common)
    endpoint = endpoint_of(settings)
    if parts["scheme"] == "minio" and endpoint is None:
        raise ConfigurationError(
            f"{settings.bucket} is in the cluster, and nothing says how it is reached from here. "
            "Forward its port, and say so in the profile: kubectl port-forward -n kubeflow "
            'svc/minio-service 9000; endpoint = "http://localhost:9000"'
        )
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
    """Return the address of the S3 service as it is reached from here; None for a cloud's own."""
    if settings.bucket.startswith("gs://"):
        return None
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


def _google_credentials() -> dict[str, Any]:
    """Return google-auth's credentials where it is installed: it knows more kinds than obstore."""
    try:
        from obstore.auth.google import GoogleCredentialProvider
    except ModuleNotFoundError:
        return {}
    try:
        return {"credential_provider": GoogleCredentialProvider()}
    except Exception as error:
        refusal = google_error("GetToken", error)
        if refusal is None:
            raise
        raise refusal from None
