"""Starts a step that stands behind gates, or says that it was skipped.

Started as `python3 behind.py --gate=SIDE=PATH ...` and all that launch.py takes.
"""

from __future__ import annotations

import importlib
import json
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from waterflow.runtime import launch
    from waterflow_azureml.job import gate
else:  # as they lie beside this file in a job
    import gate
    import launch

_GATE = "--gate="


def main(arguments: list[str]) -> int:
    """Run the step, or leave outputs that say skipped; return the exit code."""
    sides = [one.split("=", 2)[1:] for one in arguments if one.startswith(_GATE)]
    others = [one for one in arguments if not one.startswith(_GATE)]
    if gate.passes([(side == "true", folder) for side, folder in sides]):
        return launch.main(others)
    control = Path(__file__).resolve().parent
    settings = json.loads((control / "launch.json").read_bytes())
    step = json.loads((control / "step.json").read_bytes())
    print(f"waterflow: step '{step['step']}' is skipped: it stands behind a gate that is closed")
    paths = dict(one.removeprefix("--at=").split("=", 1) for one in others if "--at=" in one[:5])
    place: launch.Place = importlib.import_module(launch.PLACE).Place(settings, paths)
    if place.rank == 0:
        skip(control, step["outputs"], place)
    return 0


def skip(control: Path, outputs: dict[str, str], place: launch.Place) -> None:
    """Leave a manifest that says skipped in each output.

    Args:
        control: The folder of the control input.
        outputs: Name -> type.
        place: Where they lie.
    """
    bundle = launch.WORK / "bundle"
    bundle.mkdir(parents=True, exist_ok=True)
    with tarfile.open(control / "bundle.tar.gz") as archive:
        archive.extractall(bundle, filter="data")
    sys.path.insert(0, str(bundle))
    from waterflow import artifacts

    for name, kind in outputs.items():
        artifacts.seal_skipped(place.output / name, kind)
    place.publish({})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
