"""The tags of all resources, whichever part has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from waterflow_sagemaker.emulator.errors import invalid
from waterflow_sagemaker.emulator.operations import methods
from waterflow_sagemaker.emulator.paging import page

if TYPE_CHECKING:
    from collections.abc import Iterable

_PAGE: Final = 50
"""Tags of a page when the request does not say."""


class Tags:
    """The operations on tags.

    Args:
        parts: The emulator's parts; those with `tags_of` have resources with tags.
    """

    OPERATIONS: ClassVar[dict[str, str]] = methods("AddTags", "ListTags", "DeleteTags")
    """The service's operations -> our methods."""

    def __init__(self, parts: Iterable[Any]) -> None:
        self._parts = [part for part in parts if hasattr(part, "tags_of")]

    def add_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        """AddTags."""
        tags = self._tags(request)
        new = {tag["Key"]: tag for tag in request["Tags"]}
        tags[:] = [tag for tag in tags if tag["Key"] not in new] + list(new.values())
        return {"Tags": [dict(tag) for tag in tags]}

    def list_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        """ListTags."""
        tags = [dict(tag) for tag in self._tags(request)]
        some, token = page(tags, {"MaxResults": _PAGE} | request)
        return {"Tags": list(some), **token}

    def delete_tags(self, request: dict[str, Any]) -> dict[str, Any]:
        """DeleteTags."""
        tags = self._tags(request)
        tags[:] = [tag for tag in tags if tag["Key"] not in request["TagKeys"]]
        return {}

    def _tags(self, request: dict[str, Any]) -> list[dict[str, str]]:
        for part in self._parts:
            tags = part.tags_of(request["ResourceArn"])
            if tags is not None:
                return tags
        raise invalid(f"Could not find resource with ARN: {request['ResourceArn']}")
