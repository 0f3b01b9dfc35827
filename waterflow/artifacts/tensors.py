"""Tensors of PyTorch, and the states of its modules, as safetensors files: never pickled."""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.artifacts.base import Context, Serializer, library, payload_file, wrong_type
from waterflow.errors import ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "tensors.safetensors"

_ONE: Final = "tensor"
"""The name of a tensor that is alone in its file."""
_NOTES: Final = "waterflow"
"""The one entry of the metadata: of several, the order would differ between processes."""


class TensorSerializer(Serializer):
    """A `torch.Tensor` or a `torch.nn.Parameter`."""

    name = "tensor"
    format = "tensor"
    requires = ("torch", "safetensors")
    classes = (("torch", "Tensor"),)

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `tensors.safetensors`, with one tensor in it."""
        del context
        torch = library("torch", "A tensor as an artifact")
        if not isinstance(value, torch.Tensor):
            raise wrong_type(value, "A torch.Tensor")
        _write(torch, {_ONE: value}, folder, {})

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read the tensor; onto the CPU, wherever it was."""
        del annotation, context
        tensors, _ = _read(folder, self.name)
        return tensors[_ONE]


class StateSerializer(Serializer):
    """The state of a `torch.nn.Module`, as `state_dict()` gives it: tensors by name."""

    name = "tensors"
    format = "tensors"
    requires = ("torch", "safetensors")

    def save(self, value: Any, folder: Path, context: Context) -> None:
        """Write `tensors.safetensors`."""
        del context
        torch = library("torch", "A state of tensors as an artifact")
        if not isinstance(value, dict):
            raise wrong_type(value, "A dict of tensors")
        tensors = cast("dict[object, Any]", value)
        for key, tensor in tensors.items():
            if not isinstance(key, str) or not isinstance(tensor, torch.Tensor):
                raise ArtifactError(
                    f"The state holds, under {key!r}, a {type(tensor).__qualname__}, and a "
                    "safetensors file holds tensors by name. Return the rest as an output of its "
                    "own."
                )
        notes: dict[str, Any] = {"ordered": isinstance(value, OrderedDict)}
        versions: object = getattr(cast("object", value), "_metadata", None)
        if versions is not None:
            notes["versions"] = versions
        _write(torch, cast("dict[str, Any]", tensors), folder, notes)

    def load(self, folder: Path, annotation: object, context: Context) -> object:
        """Read the tensors; onto the CPU, wherever they were."""
        del annotation, context
        tensors, notes = _read(folder, self.name)
        if not notes["ordered"]:
            return tensors
        state: Any = OrderedDict(tensors)
        if "versions" in notes:
            # What `load_state_dict` tells an older module's state from a newer one's by.
            state._metadata = OrderedDict(notes["versions"])  # noqa: SLF001
        return state


def _write(torch: Any, tensors: dict[str, Any], folder: Path, notes: dict[str, Any]) -> None:
    safetensors = library("safetensors.torch", "A tensor as an artifact")
    parameter = torch.nn.Parameter
    kept: dict[str, Any] = {}
    for name, tensor in tensors.items():
        what = f"The tensor '{name}'" if name != _ONE or len(tensors) > 1 else "The tensor"
        if type(tensor) not in (torch.Tensor, parameter):
            raise ArtifactError(
                f"{what} is a {type(tensor).__qualname__}, and a safetensors file holds plain "
                "tensors. Return `.as_subclass(torch.Tensor)` of it."
            )
        if tensor.layout is not torch.strided or tensor.is_quantized:
            raise ArtifactError(
                f"{what} is sparse or quantized, and a safetensors file holds dense numbers. "
                "Return `.to_dense()` or `.dequantize()` of it."
            )
        # Memory of its own: two names of one memory would be refused, and views written whole.
        kept[name] = tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
    notes = notes | {
        "order": list(tensors),
        "parameters": [name for name, one in tensors.items() if isinstance(one, parameter)],
        "requires_grad": [name for name, one in tensors.items() if one.requires_grad],
    }
    try:
        text = json.dumps(notes, separators=(",", ":"))
        data: bytes = safetensors.save(kept, metadata={_NOTES: text})
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise ArtifactError(
            f"The tensors cannot be written as a safetensors file: {error}. Convert them to a "
            "common dtype, such as torch.float32."
        ) from None
    (folder / FILE).write_bytes(data)


def _read(folder: Path, type_name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    torch = library("torch", "A tensor as an artifact")
    safetensors = library("safetensors", "A tensor as an artifact")
    path = payload_file(folder, FILE, type_name)
    try:
        with safetensors.safe_open(str(path), framework="pt", device="cpu") as file:
            notes: dict[str, Any] = json.loads((file.metadata() or {})[_NOTES])
            tensors = {name: file.get_tensor(name) for name in notes["order"]}
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise ArtifactError(f"{path} is not a readable safetensors file: {error}") from None
    for name, tensor in tensors.items():
        grad = name in notes["requires_grad"]
        if name in notes["parameters"]:
            tensors[name] = torch.nn.Parameter(tensor, requires_grad=grad)
        elif grad:
            tensor.requires_grad_(True)
    return tensors, notes
