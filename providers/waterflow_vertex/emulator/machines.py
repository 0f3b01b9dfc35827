"""The machine types that jobs may name, and the one that a task gets which names none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from waterflow_vertex.emulator.errors import invalid

if TYPE_CHECKING:
    from waterflow_kfp.emulator.work import Machine

USUAL: Final = "e2-standard-4"
"""What a task of a pipeline gets that says nothing.

https://cloud.google.com/vertex-ai/docs/pipelines/machine-types
"""
_FAMILIES: Final = re.compile(
    r"(e2|n1|n2|n2d|c2|c2d|c3|c4|c4a|n4|m1|m2|m3|z3|h3|h4d)-(standard|highmem|highcpu|ultramem|megamem)"
    r"-\d+(-metal|-lssd)?|a2-(highgpu|megagpu|ultragpu)-\d+g|a3-\w+-\d+g|a4-\w+-\d+g|g2-standard-\d+"
    r"|g4-standard-\d+|ct\d\w*-\w+(-\d+t)?|cloud-tpu"
)
_FITTING: Final = (
    ("e2-standard-4", 4, 16), ("e2-highmem-4", 4, 32), ("e2-standard-8", 8, 32),
    ("e2-highmem-8", 8, 64), ("e2-standard-16", 16, 64), ("e2-highmem-16", 16, 128),
    ("n1-standard-32", 32, 120), ("n1-highmem-32", 32, 208), ("n1-standard-64", 64, 240),
    ("n1-highmem-64", 64, 416), ("n1-standard-96", 96, 360), ("n1-highmem-96", 96, 624),
)  # fmt: skip
"""Type, cores, GB."""
_ATTACHED: Final = (
    ("n1-standard-4", 4, 15), ("n1-highmem-4", 4, 26), ("n1-standard-8", 8, 30),
    ("n1-highmem-8", 8, 52), ("n1-standard-16", 16, 60), ("n1-highmem-16", 16, 104),
    ("n1-standard-32", 32, 120), ("n1-highmem-32", 32, 208), ("n1-highmem-64", 64, 416),
    ("n1-highmem-96", 96, 624),
)  # fmt: skip
_LARGE: Final = {"NVIDIA_TESLA_A100": "a2-highgpu-{}g", "NVIDIA_A100_80GB": "a2-ultragpu-{}g",
                 "NVIDIA_H100_80GB": "a3-highgpu-{}g", "NVIDIA_L4": "g2-standard-{}"}  # fmt: skip


def chosen(machine: Machine) -> dict[str, Any]:
    """Return what a container runs on, as a MachineSpec in JSON.

    Args:
        machine: What it asks for.

    Raises:
        Refusal: There is no such machine.
    """
    accelerator = machine.accelerator.upper().replace("-", "_")
    spec: dict[str, Any] = {"machineType": machine.kind or _fitting(machine, accelerator)}
    if not _FAMILIES.fullmatch(spec["machineType"]):
        raise invalid(f'Machine type "{spec["machineType"]}" is not supported.')
    if accelerator and accelerator != "ACCELERATOR_TYPE_UNSPECIFIED":
        from waterflow_vertex.emulator import sdk

        known = sdk.vertex("accelerator_type", "AcceleratorType").__members__
        if accelerator not in known:
            raise invalid(f'Accelerator type "{machine.accelerator}" is not supported.')
        spec |= {"acceleratorType": accelerator, "acceleratorCount": machine.accelerators or 1}
    return spec


def _fitting(machine: Machine, accelerator: str) -> str:
    if accelerator in _LARGE:
        return _LARGE[accelerator].format(
            4 if accelerator == "NVIDIA_L4" else machine.accelerators or 1
        )
    table = _ATTACHED if accelerator else _FITTING
    for name, cores, memory in table:
        if cores >= machine.cpu and memory * 1e9 * 1.074 >= machine.memory:
            return name
    raise invalid("No machine type has as many cores and as much memory as the task asks for.")
