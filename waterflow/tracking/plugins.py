"""MLflow's plug-ins of others, kept to the servers that they are for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

_HEADERS = "mlflow.request_header_provider"
_STORES = "mlflow.tracking_store"


class _Scoped:
    """A provider of headers that speaks for tracking URIs of some schemes only.

    Args:
        provider: The plug-in's own.
        schemes: The schemes of the URIs that it is for.
    """

    def __init__(self, provider: Any, schemes: set[str]) -> None:
        self._provider, self._schemes = provider, schemes

    def in_context(self) -> bool:
        """Say whether it has headers for the server whose URI is in force."""
        import mlflow

        scheme = mlflow.get_tracking_uri().partition(":")[0]
        return scheme in self._schemes and bool(self._provider.in_context())

    def request_headers(self) -> dict[str, str]:
        """Return the headers."""
        return self._provider.request_headers()


@cache
def keep_in_scope() -> None:
    """Have plug-ins add headers to requests to their own servers alone, in this process.

    MLflow asks every plug-in at every request. That of AWS (sagemaker-mlflow, which AWS's SDK
    installs) fails where the server is not its own, and MLflow warns of that each time. A plug-in
    that brings a tracking store is for the URIs of that store; one that brings none is for all.
    """
    installed = entry_points()
    schemes: dict[str, set[str]] = {}
    for one in installed.select(group=_STORES):
        if one.dist is not None:
            schemes.setdefault(one.dist.name, set()).add(one.name)
    scoped = {
        one.value.replace(" ", ""): schemes[one.dist.name]
        for one in installed.select(group=_HEADERS)
        if one.dist is not None and one.dist.name in schemes
    }
    if not scoped:
        return
    registry: Any = import_module("mlflow.tracking.request_header.registry")
    # Nothing public lists them so that one can be replaced.
    providers: list[Any] = registry._request_header_provider_registry._registry  # noqa: SLF001
    for number, provider in enumerate(providers):
        kind = type(provider)
        name = f"{kind.__module__}:{kind.__qualname__}"
        if name in scoped:
            providers[number] = _Scoped(provider, scoped[name])
