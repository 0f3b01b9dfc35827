"""Preconditions of requests to Cloud Storage: by generation, metageneration and ETag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from waterflow_vertex.emulator.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow_vertex.emulator.blobs import Blob
    from waterflow_vertex.emulator.routes import Request

_JSON: Final = {
    "match": "ifGenerationMatch", "not": "ifGenerationNotMatch",
    "meta": "ifMetagenerationMatch", "metanot": "ifMetagenerationNotMatch",
}  # fmt: skip
_XML: Final = {
    "match": "x-goog-if-generation-match", "not": "x-goog-if-generation-not-match",
    "meta": "x-goog-if-metageneration-match", "metanot": "x-goog-if-metageneration-not-match",
}  # fmt: skip


def of_json(request: Request, prefix: str = "") -> Callable[[Blob | None], None]:
    """Return the check of a request to the JSON API.

    Args:
        request: The request.
        prefix: `Source` for those about a copy's source.
    """
    names = {key: name.replace("if", f"if{prefix}", 1) for key, name in _JSON.items()}
    return _check({key: request.argument(name) for key, name in names.items()}, names)


def of_xml(request: Request) -> Callable[[Blob | None], None]:
    """Return the check of a request to the XML API."""
    return _check({key: request.headers.get(name, "") for key, name in _XML.items()}, _XML)


def number(text: str, name: str) -> int:
    """Return a text as the number of a generation.

    Raises:
        Refusal: It is none.
    """
    try:
        return int(text)
    except ValueError:
        raise Refusal(
            "INVALID_ARGUMENT", f"Invalid argument: {name} must be a number, not '{text[:80]}'.",
            reason="invalid",
        ) from None  # fmt: skip


def _check(values: Mapping[str, str], names: Mapping[str, str]) -> Callable[[Blob | None], None]:
    numbers = {key: number(text, names[key]) for key, text in values.items() if text}

    def check(live: Blob | None) -> None:
        generation = live.generation if live else 0
        metageneration = live.metageneration if live else 0
        for key, wish in numbers.items():
            held = metageneration if key.startswith("meta") else generation
            if (held == wish) is key.endswith("not"):
                if key.endswith("not") and live is not None:
                    raise Refusal("OUT_OF_RANGE", "Not Modified", status=304)
                raise Refusal(
                    "FAILED_PRECONDITION",
                    "At least one of the pre-conditions you specified did not hold.",
                    status=412,
                )

    return check
