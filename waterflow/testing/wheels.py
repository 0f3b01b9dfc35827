"""Wheels made by hand, so that tests install libraries without an index."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def wheel(
    folder: Path, module: str = "tiny_rate", version: str = "1.0", text: str | None = None
) -> str:
    """Make a wheel of one module and return the requirement that names it.

    Args:
        folder: Where it is written.
        module: The module's name; the distribution has the same.
        version: Its version.
        text: What its `VERSION` says; its version when None.
    """
    path = folder / f"{module}-{version}-py3-none-any.whl"
    name, about = module.replace("_", "-"), f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": f"VERSION = {version if text is None else text!r}\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = "".join(f"{one},,\n" for one in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(path, "w") as archive:
        for one, text in (files | {f"{about}/RECORD": record}).items():
            archive.writestr(one, text)
    return f"{name} @ {path.as_uri()}"
