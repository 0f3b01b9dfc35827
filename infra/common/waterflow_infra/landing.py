"""A landing zone as a whole, of any cloud: settings are read, parts made, the profile exported."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import pulumi

from waterflow_infra.component import Component
from waterflow_infra.settings import read_settings
from waterflow_infra.tags import tag_everything
from waterflow_infra.zone import ZoneSettings

if TYPE_CHECKING:
    from waterflow_infra.profile import Profile

S = TypeVar("S", bound=ZoneSettings)
P = TypeVar("P")


def stack_settings(kind: type[S]) -> S:
    """Return the settings of the stack; all that is made from now on bears their tags.

    Args:
        kind: The cloud's settings.

    Raises:
        SettingsError: They cannot be.
    """
    settings = read_settings(kind, pulumi.Config())
    tag_everything(settings.stack_tags)
    return settings


@dataclass(frozen=True, kw_only=True)
class ZoneArgs(Generic[S, P]):
    """What the landing zone is made of.

    Attributes:
        settings: The stack's settings.
        place: Where it is.
    """

    settings: S
    place: P


class LandingZone(Component[ZoneArgs[S, P]], Generic[S, P]):
    """All that Waterflow needs on a cloud."""

    @classmethod
    def of_stack(cls, settings: S, place: P, provider: pulumi.ProviderResource) -> Self:
        """Make the zone of the stack, and export its profile.

        Args:
            settings: The stack's settings.
            place: Where it is.
            provider: What its resources are made by.
        """
        zone = cls(
            settings.names.zone,
            ZoneArgs(settings=settings, place=place),
            pulumi.ResourceOptions(providers=[provider]),
        )
        zone.profile().export()
        return zone

    def _make(self, name: str, args: ZoneArgs[S, P]) -> None:
        del name
        self._settings, self._names, self._place = args.settings, args.settings.names, args.place
        self._make_parts()
        self.register_outputs({})

    @abstractmethod
    def _make_parts(self) -> None:
        """Make the parts of the zone."""

    @abstractmethod
    def profile(self) -> Profile:
        """Return what the application is told of it."""
