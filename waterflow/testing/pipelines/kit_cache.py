"""Steps by which a test sees which results stand for which."""

import random

from kit_helpers import wait_for

import waterflow as wf


@wf.step
def read(source: wf.Data, hold: str) -> str:
    """Wait for a file, then read outside data."""
    wait_for(hold)
    return source.path.read_text()


@wf.step
def maybe(extra: wf.Data | None) -> str:
    """Read outside data where there is any."""
    return "none" if extra is None else extra.path.read_text()


@wf.step
def parity(number: int) -> int:
    """Return the same for many inputs."""
    return number % 2


@wf.step
def after_parity(odd: int) -> str:
    """Depend on the result alone."""
    return "odd" if odd else "even"


@wf.step
def scale(factor: float) -> float:
    """Return what follows from a parameter."""
    return factor * 3


@wf.step
def after_scale(scaled: float) -> str:
    """Depend on it."""
    return repr(scaled)


@wf.step(cache=False)
def dice() -> float:
    """Return something else each time."""
    return random.SystemRandom().random()


@wf.step(cache=False)
def always() -> str:
    """Return the same each time, and run each time."""
    return "same"


@wf.step
def after_always(word: str) -> str:
    """Depend on what never comes from the cache."""
    return word * 2
