"""Documents that travel with each start: the bucket keeps them, each under its digest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from waterflow.artifacts import canonical
from waterflow.data.fingerprints import text_digest
from waterflow.errors import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow.cloud.objects import Bucket


class Documents:
    """The native documents of a profile's pipelines, in its bucket.

    Args:
        bucket: The profile's bucket.
        provider: The provider's name, for errors.
        overview: Where people find a run whose document is gone, in words: "in the console: URL".
        digits: How many characters of a document's digest are its version.
    """

    def __init__(self, bucket: Bucket, provider: str, overview: str, digits: int = 64) -> None:
        self._bucket, self._provider, self._overview = bucket, provider, overview
        self._digits = digits
        self._known: dict[str, Mapping[str, Any]] = {}

    def name(self, version: str) -> str:
        """Return the name of the object that holds a version."""
        return f"documents/{version}.json"

    def put(self, definition: Mapping[str, Any], before: Callable[[], None] | None = None) -> str:
        """Keep a document, and return its version.

        Args:
            definition: The document.
            before: Brings what must be there before a new one: that it is kept tells so.

        Raises:
            ProviderError: The store refuses, or cannot be reached.
        """
        content = canonical(dict(definition))
        version = text_digest(content.decode())[: self._digits]
        if before is not None and not self._bucket.exists(self.name(version)):
            before()
        self._bucket.put_new(self.name(version), content)
        self._known[version] = definition
        return version

    def get(self, version: str) -> Mapping[str, Any]:
        """Return a document that was kept.

        Raises:
            NotFoundError: It is no longer in the bucket.
            ProviderError: The store refuses, or cannot be reached.
        """
        if version not in self._known:
            content = self._bucket.get(self.name(version))
            if content is None:
                raise NotFoundError(
                    "The document of the pipeline is no longer at "
                    f"{self._bucket.uri(self.name(version))}. Look at its run {self._overview}",
                    provider=self._provider,
                    operation="read document",
                )
            self._known[version] = json.loads(content)
        return self._known[version]
