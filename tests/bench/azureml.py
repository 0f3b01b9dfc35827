"""The measures of the Azure ML adapter: its compiler alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.bench.programs import compiling, write_profile

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.measures import Row

_PROFILE: Final = """
[profiles.azure]
provider = "azureml"
subscription = "00000000-0000-4000-8000-000000000000"
resource_group = "bench"
workspace = "bench"
region = "eastus"
account = "bench"
image = "bench.azurecr.io/ml:1"
python = "{python}"
libraries = "image"
tracking.uri = "http://127.0.0.1:9"
"""


def azureml_compile(folder: Path) -> list[Row]:
    """Compile a chain of 1,000 steps for Azure ML, in a process without its SDK, against 0.5 s.

    A compiler has no baseline but its promise: the vendor's SDK takes 14 s to load and check it.
    """
    write_profile(folder, _PROFILE)
    return [compiling(folder, "Azure ML", "azure", ("azure", "msrest"))]


ALL: Final = (azureml_compile,)
