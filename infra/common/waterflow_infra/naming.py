"""Names of what a stack makes: told apart by stage, short enough for every cloud."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Names:
    """The names of one stack's resources.

    They are logical names: the engine ends physical ones in a mark of its own, so that a resource
    can be replaced by another before it is deleted. Only what the application finds by its name is
    called exactly so.

    Attributes:
        prefix: What all names, pipelines and keys of the bucket begin with.
        environment: The stage, such as "dev".
    """

    prefix: str
    environment: str

    @property
    def zone(self) -> str:
        """The name of the landing zone itself."""
        return f"{self.prefix}-{self.environment}"

    def of(self, noun: str) -> str:
        """Return the name of a resource.

        Args:
            noun: What it is, such as "jobs".
        """
        return f"{self.zone}-{noun}"
