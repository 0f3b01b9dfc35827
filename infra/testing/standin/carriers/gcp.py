"""Makes Google Cloud's resources by its REST APIs: what a stack made is what a run meets."""

from __future__ import annotations

import os
import threading
import urllib.error
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from standin.carriers.gcp_kinds import KINDS
from standin.carriers.rest import Rest
from standin.provider import ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from standin.values import Properties

TOKEN = "GOOGLE_OAUTH_ACCESS_TOKEN"  # noqa: S105 the name of a variable
"""Whose token the deployer's requests bear, as Google's own provider reads it."""


class Google:
    """The way to Google's APIs, for whoever deploys.

    Args:
        variables: The environment.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._rest, self._token = Rest(variables), variables[TOKEN]
        self.changing = threading.RLock()
        """Held while a policy is read and written back: resources are made side by side."""

    def call(self, method: str, url: str, body: Any = None, **query: str) -> Any:
        """Return what is answered.

        Args:
            method: `GET`.
            url: Host and path, quoted.
            body: What is sent, as JSON.
            query: The query.

        Raises:
            ProviderError: Google refuses.
        """
        answer = self.look(method, url, body, **query)
        if answer is None:
            raise ProviderError(f"Google has no {url}, which {method} is about")
        return answer

    def look(self, method: str, url: str, body: Any = None, **query: str) -> Any | None:
        """Return what is answered, None for what is not there.

        Raises:
            ProviderError: Google refuses.
        """
        words = "&".join(f"{name}={quote(value)}" for name, value in query.items())
        whole = f"https://{url}?{words}" if words else f"https://{url}"
        try:
            return self._rest.send(method, whole, self._token, body)[0]
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            if error.code == 404:
                return None
            raise ProviderError(f"Google refused {method} {whole}: {text}") from error


@dataclass
class GcpCarrier:
    """Carries Google Cloud's resources out where an environment's variables lead.

    These are a proxy and authorities, as `waterflow emulate vertex` sets them, and the deployer's
    token. Types that it does not take stay with the stand-in.

    Args:
        environment: The variables; by default this process's.
        leave: Types not to carry, though this could.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    leave: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self._google = Google(self.environment)

    def takes(self, token: str) -> bool:
        """Whether this makes resources of a type."""
        return token in KINDS and token not in self.leave

    def create(self, token: str, inputs: Properties, outputs: Properties) -> Properties:
        """Make a resource; what Google answers stands above what the stand-in made up."""
        KINDS[token].create(self._google, inputs, outputs)
        return self._answered(token, outputs)

    def update(self, token: str, inputs: Properties, outputs: Properties) -> Properties:
        """Change a resource."""
        KINDS[token].update(self._google, inputs, outputs)
        return self._answered(token, outputs)

    def read(self, token: str, outputs: Properties) -> Properties | None:
        """Return what Google has now, None where it has none."""
        return KINDS[token].read(self._google, outputs)

    def delete(self, token: str, outputs: Properties) -> None:
        """Remove a resource; one that is gone already is no error."""
        KINDS[token].delete(self._google, outputs)

    def _answered(self, token: str, outputs: Properties) -> Properties:
        answer = self.read(token, outputs)
        if answer is None:
            raise ProviderError(f"Google made {outputs['id']} and has none")
        return answer
