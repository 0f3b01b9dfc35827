"""Secrets written as plain text into the environment of a job, a container or a function."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rules.subject import Subject

ENVIRONMENTS = re.compile(
    r"^(?:environment(?:Variables)?|envs?|env_?vars?|appSettings|variables)$", re.IGNORECASE
)
NAMES = re.compile(
    r"passw(?:or)?d|passphrase|secret|(?:^|_)token$|token(?:_|$)|api_?key|private_?key|access_?key"
    r"|credential|connection_?string",
    re.IGNORECASE,
)
# A reference says where the secret is, and is none itself.
REFERENCES = re.compile(
    r"^(?:arn:[\w-]+:(?:secretsmanager|ssm):|projects/[^/]+/secrets/|@Microsoft\.KeyVault\("
    r"|https://[\w-]+\.vault\.azure\.net/|\{\{resolve:)"
)
NO_SECRETS = re.compile(
    r"(?:_|^)(?:arn|name|id|uri|url|path|file|version|ttl|expiry|duration)$", re.IGNORECASE
)
VALUES = {
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a private key": re.compile(r"-----BEGIN (?:\w+ )?PRIVATE KEY-----"),
    "a GitHub token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{36}"),
    "a key of an Azure storage account": re.compile(r"AccountKey=[A-Za-z0-9+/]{40,}"),
}


def plaintext(subject: Subject) -> Iterator[str]:
    """Whether a secret stands in an environment, by its name or its look."""
    yield from _walked(subject.props, "")


def _walked(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            here = f"{path}.{name}" if path else name
            if ENVIRONMENTS.match(name):
                for variable, text in _variables(one):
                    yield from _judged(f"{here}.{variable}", variable, text)
            yield from _walked(one, here)
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _walked(one, f"{path}[{index}]")


def _variables(environment: Any) -> Iterator[tuple[str, str]]:
    """Yield names and texts, of a mapping and of a list of names and values alike."""
    if isinstance(environment, dict):
        yield from ((name, one) for name, one in environment.items() if isinstance(one, str))
    elif isinstance(environment, list):
        for one in environment:
            if isinstance(one, dict) and isinstance(one.get("value"), str):
                yield str(one.get("name", "")), one["value"]


def _judged(path: str, name: str, text: str) -> Iterator[str]:
    advice = "keep it in the cloud's secret store and give its name"
    looks = [kind for kind, pattern in VALUES.items() if pattern.search(text)]
    if looks:
        yield f"{path} holds {looks[0]}: {advice}"
    elif NAMES.search(name) and text and not REFERENCES.match(text) and not NO_SECRETS.search(name):
        yield f"{path} holds a secret as plain text: {advice}"
