"""What a container of a pipeline spec asks of its machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from waterflow import spec

_UNITS: Final = (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10))


def resources(wants: spec.Resources, accelerator: str | None) -> dict[str, Any]:
    """Return a container's resources, in the fields of today and in those of older services.

    Args:
        wants: What the step asks for.
        accelerator: The kind of accelerator, in the service's own words, where it asks for one.
    """
    asked: dict[str, Any] = {"cpuLimit": float(wants.cpu), "resourceCpuLimit": f"{wants.cpu:g}"}
    if wants.memory is not None:
        asked["memoryLimit"] = wants.memory / 1e9
        asked["resourceMemoryLimit"] = quantity(wants.memory)
    if wants.gpu is not None and accelerator is not None:
        count = str(wants.gpu.count)
        asked["accelerator"] = {
            "type": accelerator,
            "count": count,
            "resourceType": accelerator,
            "resourceCount": count,
        }
    return asked


def quantity(size: int) -> str:
    """Return bytes as Kubernetes writes them: 17179869184 -> "16Gi"."""
    for unit, factor in _UNITS:
        if size % factor == 0 and size >= factor:
            return f"{size // factor}{unit}"
    return f"{-(-size // 2**20)}Mi" if size >= 2**20 else f"{-(-size // 2**10)}Ki"
