"""`pip install` that ends at once where all is there, and is the environment's own pip where not.

Components of kfp install kfp as they begin: https://pypi.org would be asked each time.
"""

from __future__ import annotations

import os
import runpy
import sys
from importlib import metadata

_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - this starts fast
_PLAIN = ("--quiet", "-q", "--no-warn-script-location", "--no-deps", "--user")


def main(arguments: list[str]) -> int:
    """Install nothing if nothing is missing; else let the environment's own pip do it."""
    if arguments[:1] == ["install"]:
        wanted = [one for one in arguments[1:] if one not in _PLAIN]
        if wanted and all(map(_there, wanted)):
            return 0
    return _pip(arguments)


def _there(text: str) -> bool:
    """Return whether a requirement is met; what is no plain requirement is not."""
    if text.startswith("-"):
        return False
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        return False
    try:
        one = Requirement(text)
        if one.marker is not None and not one.marker.evaluate():
            return True
        return not one.url and one.specifier.contains(metadata.version(one.name), prereleases=True)
    except (InvalidRequirement, metadata.PackageNotFoundError):
        return False


def _pip(arguments: list[str]) -> int:
    sys.path[:] = [one for one in sys.path if os.path.abspath(one) != _OWN]  # noqa: PTH100 - as above
    for name in [one for one in sys.modules if one == "pip" or one.startswith("pip.")]:
        del sys.modules[name]
    sys.argv = ["pip", *arguments]
    try:
        runpy.run_module("pip", run_name="__main__", alter_sys=True)
    except ImportError:
        print(
            f"ERROR: the job's environment has no pip, and lacks some of: {' '.join(arguments)}. "
            "Name one that has them: waterflow emulate ... --image IMAGE=FOLDER",
            file=sys.stderr,
        )
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
