"""MLflow as a cloud has it: known by its URIs, and reached by a plug-in of MLflow's."""

from __future__ import annotations

import fnmatch
import functools
import importlib.util
import re
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Final

from waterflow.errors import ConfigurationError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable

GROUP: Final = "waterflow.trackers"
"""The entry-point group in which a package names what it knows: a URI's scheme, or a pattern of
addresses such as `https://*.run.app`, -> a `Managed`."""


@dataclass(frozen=True, kw_only=True)
class Managed:
    """What there is to know of a cloud's MLflow.

    Attributes:
        what: What its URIs are, in words: "the ARN of a managed MLflow".
        form: A regular expression that all of them match.
        examples: Some of them.
        plugin: The module by which MLflow understands them.
        install: The command that brings the module.
        pages: Where its pages open, in words.
        auth: The plug-in of MLflow's that signs requests to it, and to no other server, by the name
            that MLFLOW_TRACKING_AUTH has for it; None where the plug-in for its scheme does.
        page: Returns the page of a run of a tracking URI and the run's id, or None where it has no
            lasting address; None where pages are MLflow's own, or open from the cloud's alone.
    """

    what: str
    form: str
    examples: tuple[str, ...]
    plugin: str
    install: str
    pages: str
    auth: str | None = None
    page: Callable[[str, str], str | None] | None = None

    def check(self, uri: str, where: str) -> None:
        """See that a URI can be one.

        Args:
            uri: The tracking URI.
            where: Who names it.

        Raises:
            ConfigurationError: It cannot.
        """
        if not re.fullmatch(self.form, uri):
            raise ConfigurationError(
                f"The tracking URI {uri!r} of {where} is not {self.what}, such as "
                f"{' or '.join(self.examples)}. Correct it"
            )


def managed(uri: str) -> Managed | None:
    """Return what is known of the cloud's MLflow behind a URI; None where nothing is.

    In a job nothing is: it has Waterflow's code, but not its package's entry points.
    """
    scheme, colon, rest = uri.partition(":")
    if not colon:
        return None
    host = rest.removeprefix("//").partition("/")[0].partition(":")[0].lower()
    return _known(scheme.lower(), host)


@functools.cache
def _known(scheme: str, host: str) -> Managed | None:
    for point in metadata.entry_points(group=GROUP):
        if fnmatch.fnmatchcase(f"{scheme}://{host}" if "://" in point.name else scheme, point.name):
            return point.load()
    return None


def need_plugin(uri: str) -> None:
    """See that MLflow can speak to a URI.

    Args:
        uri: The tracking URI.

    Raises:
        MissingDependencyError: It needs a plug-in, which is not installed.
    """
    tracker = managed(uri)
    if tracker is not None and not _is_there(tracker.plugin):
        raise MissingDependencyError(tracker.plugin, f"MLflow at {uri}", tracker.install)


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # nor is the package that it is in
        return False
