"""The profile that a stack hands over to `waterflow profile import`, in the application's form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pulumi

if TYPE_CHECKING:
    from collections.abc import Mapping

# `waterflow schema profile` prints it: the application says what a profile is.
_SCHEMA: Final = json.loads(
    Path(__file__).with_name("profile.schema.json").read_text(encoding="utf-8")
)["$defs"]
_PROFILE: Final = _SCHEMA["ExportedProfile"]["properties"]
_TRACKING: Final = _SCHEMA["ExportedTracking"]["properties"]
VERSION: Final[int] = _PROFILE["version"]["enum"][0]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A profile, of whatever cloud; it holds nothing secret.

    Attributes:
        name: Its name in the project.
        provider: The application's provider.
        settings: The provider's settings; what is None is left to the application.
        tracking: MLflow's `uri` and `experiment`; what is None is left to the application.
    """

    name: str
    provider: str
    settings: Mapping[str, pulumi.Input[Any] | None]
    tracking: Mapping[str, pulumi.Input[str] | None]

    def export(self) -> None:
        """Make it the stack's output `profile`.

        Raises:
            KeyError: The application knows no such key.
        """
        tracking = _without_none(self.tracking)
        document: dict[str, Any] = {
            "version": VERSION,
            "name": self.name,
            "provider": self.provider,
            "settings": _without_none(self.settings),
            **({"tracking": tracking} if tracking else {}),
        }
        for known, keys in ((_PROFILE, document), (_TRACKING, tracking)):
            for key in keys:
                if key not in known:
                    raise KeyError(f"a profile has no {key}; it has: {', '.join(known)}")
        pulumi.export("profile", document)


def _without_none(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}
