"""Finding what other packages add to Waterflow by entry points: the providers."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.errors import ConfigurationError, MissingDependencyError
from waterflow.project.profile import load

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from waterflow.provider.base import Provider

GROUP: Final = "waterflow.providers"
"""The entry-point group in which a package names its providers."""


def providers() -> dict[str, EntryPoint]:
    """Return the installed providers by name; none of them is imported.

    Raises:
        ConfigurationError: Two packages give different providers under one name.
    """
    points: dict[str, EntryPoint] = {}
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda point: point.name):
        other = points.setdefault(point.name, point)
        if other.value != point.value:
            raise ConfigurationError(
                f"Two packages give a provider '{point.name}': {_origin(other)} and "
                f"{_origin(point)}. Uninstall one: pip uninstall NAME"
            )
    return points


def provider(name: str) -> type[Provider]:
    """Import one provider's class.

    Args:
        name: The provider's name, as profiles write it.

    Raises:
        ConfigurationError: No installed package gives it, or what it gives cannot be used.
        MissingDependencyError: A library that it needs is not installed.
    """
    points = providers()
    point = points.get(name)
    if point is None:
        raise ConfigurationError(
            f"No provider '{name}' is installed; there are: {', '.join(points) or 'none'}. "
            "Next: waterflow doctor, or install the package that gives it"
        )
    try:
        loaded: Any = point.load()
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            error.name or point.module, f"Provider '{name}'", _install(point)
        ) from error
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"Provider '{name}' ({_origin(point)}) cannot be loaded: {error}. "
            "Reinstall the package that gives it"
        ) from error
    if not callable(loaded):
        raise ConfigurationError(
            f"Provider '{name}' ({_origin(point)}) is {type(loaded).__name__}, not a class. "
            "Ask the package's author"
        )
    return cast("type[Provider]", loaded)


def open_provider(root: Path, name: str | None) -> Provider:
    """Return the provider of a profile.

    Args:
        root: The project's folder.
        name: The profile's name; None for the project's default.

    Raises:
        ConfigurationError: There is no such profile or provider.
    """
    chosen = load(root, name)
    return provider(chosen.provider)(root, chosen)


def _install(point: EntryPoint) -> str | None:
    """Return the command that brings a provider's libraries: its package's extra of that name."""
    if point.dist is None or point.name not in (
        point.dist.metadata.get_all("Provides-Extra") or ()
    ):
        return None
    return f'pip install "{point.dist.name}[{point.name}]"'


def _origin(point: EntryPoint) -> str:
    package = f" of {point.dist.name}" if point.dist is not None else ""
    return f"{point.value}{package}"
