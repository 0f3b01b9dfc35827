"""Whether a landing zone's roles are tight, by measurement: what they allow, what suites called."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.infra.record import Record


class TightRoles(ABC):
    """What is called is allowed; what is allowed is called, or it is said why not.

    Attributes:
        record: The recorded calls.
        never: Who calls -> actions that their roles allow and suites never call -> why they do.
    """

    record: ClassVar[Record]
    never: ClassVar[Mapping[str, Mapping[str, str]]]

    @abstractmethod
    def allowed(self, who: str) -> set[str]:
        """Return the actions that the roles of one who calls allow."""

    def allows(self, call: dict[str, object]) -> bool:
        """Say whether the caller's roles allow a recorded call."""
        return call["action"] in self.allowed(str(call["principal"]))

    def test_every_recorded_call_is_allowed(self):
        assert [call for call in self.record.read() if not self.allows(call)] == []

    def test_what_the_suites_make_themselves_is_no_role_s(self):
        for who in self.never:
            assert not self.allowed(who).intersection(self.record.own)

    def test_what_is_allowed_and_never_called_is_reviewed(self):
        for who, reasons in self.never.items():
            called = {call["action"] for call in self.record.read() if call["principal"] == who}
            assert sorted(self.allowed(who) - called) == sorted(reasons), who
            assert all(reasons.values())
