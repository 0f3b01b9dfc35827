"""The README's table of what each provider can do, made from what the providers say of themselves.

`python -m tests.capability_table` writes it anew; tests/cli/test_readme.py keeps it true.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from waterflow.project.profile import Profile
from waterflow.provider import Capabilities, Provider, discovery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

README: Final = Path(__file__).parents[1] / "README.md"
_ROOT: Final = README.parent
_MARKED: Final = re.compile(
    r"(?<=<!-- capabilities: python -m tests\.capability_table -->\n).*?(?=<!-- end -->)", re.DOTALL
)
PROFILES: Final[dict[str, dict[str, Any]]] = {
    "local": {"gpu": "ignore"},
    "sagemaker": {
        "region": "us-east-1", "bucket": "b-1",
        "role": "arn:aws:iam::111122223333:role/jobs",
    },
    "azureml": {
        "subscription": "00000000-0000-4000-8000-000000000001", "resource_group": "shop",
        "workspace": "shop", "region": "eastus", "account": "shopstorage",
    },
    "vertex": {"project": "shop-project", "bucket": "shop-bucket"},
    "kubeflow": {
        "host": "https://kubeflow.example", "bucket": "s3://shop", "secret": "shop",
        "endpoint": "https://minio.example",
    },
}  # fmt: skip
"""Provider -> settings with which it can do all that it ever can; the order of the columns."""
TITLES: Final = {
    "local": "this machine", "sagemaker": "SageMaker", "azureml": "Azure ML",
    "vertex": "Vertex AI", "kubeflow": "Kubeflow",
}  # fmt: skip
ROWS: Final[dict[str, tuple[str, ...]]] = {
    "`wf.container`, any image": ("containers", "images"),
    '`wf.map(…, fan_out="jobs")`': ("map_jobs",),
    "`gpu=`": ("gpu",),
    "`instances=`, at most": ("instances",),
    "`spot=True`": ("spot",),
    "`timeout=`": ("timeouts",),
    "`secrets=`": ("secrets",),
    "`requirements=`": ("requirements",),
    "`--inline`, for a debugger": ("inline",),
    "`--resume`": ("resume",),
    "`--keep-going` after a failure": ("keep_going",),
    "cached where equal inputs were made anew": ("content_cache",),
    "characters of a parameter, at most": ("parameter_length",),
    "a run needs no process on your machine": ("tracks_later",),
}
"""What a user wants -> the fields that tell."""
ELSEWHERE: Final = {"disk", "hints"}
"""Fields that no cell holds: of a disk the plan tells, and hints stand below the table."""
_ANY: Final = 10**6


def providers() -> dict[str, Provider]:
    """Return the providers that are Waterflow's own, by name, in the order of the columns."""
    return {
        name: discovery.provider(name)(_ROOT, Profile(name, name, settings, None, None, "README"))
        for name, settings in PROFILES.items()
    }


def table() -> str:
    """Return the table, as README.md has it."""
    own = providers()
    can = {name: provider.capabilities for name, provider in own.items()}
    lines = [
        f"| | {' | '.join(TITLES[name] for name in own)} |",
        f"|---|{'---|' * len(own)}",
    ]
    notes: list[str] = []
    for what, names in ROWS.items():
        cells = [_cell(can[name], names) for name in own]
        for number, name in enumerate(own):
            hint = next((can[name].hints[one] for one in names if one in can[name].hints), None)
            if cells[number] == "no" and hint is not None:
                notes.append(f"{TITLES[name]}, {what}: {hint}")
                cells[number] = f"no [{len(notes)}]"
        lines.append(f"| {what} | {' | '.join(cells)} |")
    for what, tells in _OTHER.items():
        lines.append(f"| {what} | {' | '.join(tells(name, one) for name, one in own.items())} |")
    below = "\n".join(f"[{number}] {note}\\" for number, note in enumerate(notes, 1))
    return "\n".join(lines) + "\n" + (f"\n{below.rstrip(chr(92))}\n" if notes else "")


def written() -> str:
    """Return the table that README.md has now."""
    match = _MARKED.search(README.read_text())
    assert match is not None, "README.md has no place for the table"
    return match[0]


def untold() -> set[str]:
    """Return the fields of Capabilities of which the table says nothing."""
    shown = {name for names in ROWS.values() for name in names}
    return {field.name for field in fields(Capabilities)} - shown - ELSEWHERE


def _cell(can: Capabilities, names: tuple[str, ...]) -> str:
    values = [getattr(can, name) for name in names]
    if all(isinstance(value, bool) or value == frozenset() for value in values):
        return "yes" if any(values) else "no"
    value = next(value for value in values if value)
    if value is None:
        return "no limit"
    if isinstance(value, int):
        # One machine stands for many: how many, does not matter.
        return "any, as one" if value >= _ANY else f"{value:,}" if value > 1 else "no"
    return "some"


def _schedules(name: str, provider: Provider) -> str:
    del name
    return "yes" if type(provider).schedules is not Provider.schedules else "no"


def _points(group: str) -> dict[str, str]:
    """Return the entry points as they are written: an environment may be older."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    return project["entry-points"][f"waterflow.{group}"]


def _emulator(name: str, provider: Provider) -> str:
    del provider
    return f"`waterflow emulate {name}`" if name in _points("emulators") else "none needed"


def _outside(name: str, provider: Provider) -> str:
    del provider
    points = _points("stores").items()
    own = sorted(scheme for scheme, value in points if value.startswith(f"waterflow_{name}."))
    return " ".join(f"`{one}://`" for one in own if ":" not in one) or "none of its own"


_OTHER: Final[dict[str, Callable[[str, Provider], str]]] = {
    "keeps schedules": _schedules,
    "its own addresses of `wf.Data`": _outside,
    "to try it without an account": _emulator,
}


def _main() -> Iterator[str]:
    text = README.read_text()
    README.write_text(_MARKED.sub(lambda _: table(), text))
    yield f"written: {README.name}"


if __name__ == "__main__":
    print(*_main(), sep="\n")
