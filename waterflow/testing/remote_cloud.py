"""A cloud as its own tests describe it to the kit: the few things that only they can know."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import pytest

from waterflow.provider.emulators import emulator
from waterflow.testing.passage import path_name

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from waterflow.provider.emulators import Emulator
    from waterflow.provider.state import StepState
    from waterflow.testing.passage import Refusal

Moment = Literal["deploy", "record", "start", "resume", "stop"]
"""What a request is sent for: to bring a pipeline to the cloud, to write a run's record into the
bucket, to start an execution, to go on from one, to stop one."""


@dataclass(frozen=True)
class Refused:
    """How a cloud refuses a request, and what becomes of that.

    Attributes:
        refusal: The cloud's answer, an error that no second try would mend.
        operation: What Waterflow's error calls the operation.
        words: What the error's message says.
    """

    refusal: Refusal
    operation: str
    words: str


class RemoteCloud(ABC):
    """What the kit is told of a cloud whose provider it tests.

    Attributes are of the class; those with a value need not be given.
    """

    name: ClassVar[str]
    """The provider's name, which is its emulator's too."""
    requests: ClassVar[Mapping[Moment, str]]
    """What the name of a request contains, by what it is sent for. Where nothing is brought to the
    cloud before a start, `deploy` is not there; where no execution goes on, `resume`: a run is then
    gone on from by another execution, which its cache answers, or not at all."""
    console: ClassVar[str]
    """What the addresses begin with at which people look at its executions and jobs."""
    image: ClassVar[str]
    """An image with this Python and its libraries: in the emulator, this environment."""
    bare_image: ClassVar[str]
    """The name of an image that has pip and no other library."""
    words: ClassVar[Mapping[str, str]]
    """What a step's error says when there is no machine (`capacity`), no quota (`limit`) or no
    image (`image`)."""
    faulty_requests: ClassVar[str] = (
        "throttle=0.2,error503=0.1,lost=0.1,slow=0.1,slow-for=0.3,seed=11"
    )
    """Faults of an emulator whose requests fail."""
    faulty_jobs: ClassVar[str] = (
        "capacity=wait_for:1,capacity=first:99,limit=exits:99,image=say:99,"
        "spot=1,spot-after=600,spot-grace=2"
    )
    """Faults of an emulator whose jobs meet them: of the steps named so."""
    line_times: ClassVar[bool] = True
    """Whether the cloud notes when a line was printed, so that those of several steps can be put in
    their order later."""
    container_metrics: ClassVar[bool] = True
    """Whether a container step may say which of its printed values are metrics."""
    without_network: ClassVar[Mapping[str, Any]] = {}
    """Settings of a profile whose jobs have no network."""
    cache_day: ClassVar[Mapping[str, Any]] = {"cache_days": 1}
    """Settings of a profile whose cached results stand for a day; empty where they stand for as
    long as they are there."""
    schedule_settings: ClassVar[Mapping[str, Any]] = {}
    """Settings that a profile with schedules needs besides."""

    @property
    def executions_go_on(self) -> bool:
        """Whether a run that goes on from another is the same execution."""
        return "resume" in self.requests

    # --- the emulator ---------------------------------------------------------------------------

    def start(
        self, *, images: Mapping[str, Path] | None = None, faults: str | None = None
    ) -> contextlib.AbstractContextManager[Emulator]:
        """Return an emulator, to be used with `with`.

        Args:
            images: Image -> the environment that stands for it.
            faults: What is to go wrong.
        """
        return emulator(self.name)(images=images, faults=faults)

    @contextlib.contextmanager
    def pointing(self, running: Emulator) -> Generator[None]:
        """Let the environment of this process point at an emulator while the block runs."""
        with pytest.MonkeyPatch.context() as patch:
            for name in running.unset:
                patch.delenv(name, raising=False)
            for name, value in running.environment.items():
                patch.setenv(name, value)
            self.forget()
            yield
        self.forget()

    def forget(self) -> None:  # noqa: B027 - few SDKs keep anything
        """Drop what the cloud's SDK keeps in this process of where it has been pointed."""

    def advance(self, running: Emulator, seconds: float) -> None:
        """Let time pass at once in an emulator."""
        advancing: Any = running
        advancing.advance(seconds)

    # --- its requests ---------------------------------------------------------------------------

    def request_name(self, method: str, path: str, headers: Mapping[str, str]) -> str:
        """Return what a request is known by: its path, where that says which operation it is.

        Args:
            method: HTTP's method.
            path: The path with the query.
            headers: The headers.
        """
        return path_name(method, path, headers)

    @abstractmethod
    def through(self, url: str) -> dict[str, str]:
        """Return the variables by which clients send their requests to an address instead."""

    @abstractmethod
    def refused(self, moment: Literal["deploy", "start"]) -> Refused:
        """Return how it refuses a request that is sent for something."""

    # --- its bill -------------------------------------------------------------------------------

    def billed_seconds(self, step: StepState) -> float | None:
        """Return the machine time that the cloud's record of a step's job bills.

        It is read by other means than the provider's.

        Args:
            step: A step that has run, as the provider tells it.

        Returns:
            None where the cloud bills no machines.
        """
        del step
        return None

    # --- its places -----------------------------------------------------------------------------

    @abstractmethod
    def make_bucket(self, bucket: str) -> None:
        """Make a bucket in the emulator that the environment points at."""

    @abstractmethod
    def profile(self, bucket: str, prefix: str) -> dict[str, Any]:
        """Return a profile's table without its tracking: `provider`, and its settings.

        Its image is `image`, of which it expects all libraries; it polls often.
        """

    @abstractmethod
    def uri(self, bucket: str, name: str) -> str:
        """Return the address of an object, as data outside of Waterflow."""

    @abstractmethod
    def write(self, uri: str, content: bytes) -> None:
        """Write an object at an address, be it Waterflow's own or outside data."""

    @abstractmethod
    def executions(self, prefix: str, pipeline: str) -> list[str]:
        """Return the ids by which jobs know the executions of a pipeline, as the cloud lists them.

        Args:
            prefix: The profile's prefix.
            pipeline: The pipeline's name.
        """
