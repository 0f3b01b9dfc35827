"""What the measures of all clouds' adapters share: a profile, and programs that are measured."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Final

from tests.bench.measures import Row, in_turn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COMPILE: Final = """
import sys, time
from pathlib import Path

sys.path.insert(0, ".")
import small
from waterflow.provider import discovery
from waterflow.runs import submit

provider = discovery.open_provider(Path.cwd(), sys.argv[1])
few, build = (
    submit.assemble(small.counting(steps=n), Path.cwd(), provider.profile) for n in (2, 1000)
)
provider.compile(few)  # what is imported once is imported now
begun = time.perf_counter()
document = provider.compile(build)
seconds = time.perf_counter() - begun
assert len(document.control) == 1000
loaded = set(sys.argv[2:]) & sys.modules.keys()
assert not loaded, f"compiling imported {loaded}"
print(seconds)
"""


def compiling(folder: Path, cloud: str, profile: str, sdk: Sequence[str]) -> Row:
    """Compile a chain of 1,000 steps, in a process without a cloud's SDK, against 0.5 s.

    Args:
        folder: The project; its waterflow.toml has the profile.
        cloud: What people call the cloud.
        profile: The profile's name.
        sdk: The packages that must not be imported.
    """
    (seconds,) = in_turn(3, lambda: float(program(folder, COMPILE, profile, *sdk)))
    limit = 0.5
    name = (
        f"{cloud}: compile a chain of 1,000 steps, without {sdk[0].partition('.')[0]} / {limit:g} s"
    )
    return Row(name, f"{seconds:.2f} s", f"{limit:.2f} s", seconds / limit, 1.0)


def write_profile(folder: Path, text: str) -> None:
    """Add a profile to a project's waterflow.toml; `{python}` in it is this Python."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    with (folder / "waterflow.toml").open("a") as settings:
        settings.write(text.format(python=python))


def program(folder: Path, text: str, *arguments: object, env: dict[str, str] | None = None) -> str:
    """Run a program in a project and return what it printed last."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise RuntimeError(f"a measured program failed:\n{done.stdout}{done.stderr}")
    return done.stdout.splitlines()[-1]
