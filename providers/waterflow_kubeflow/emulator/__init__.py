"""Kubeflow Pipelines on this machine: the API server's REST, real jobs, and a MinIO of its own.

| request, below /apis/v2beta1 | what it does |
|---|---|
| `GET healthz` | says that one user is served |
| `experiments`: POST, GET; GET, DELETE `/ID`; POST `/ID:archive`, `:unarchive` | experiments |
| `pipelines`: POST, GET; GET, DELETE `/ID`; GET `/names/NAME`; POST `/create` | pipelines |
| `POST pipelines/upload`, `pipelines/upload_version` | packages: YAML, .zip, .tar.gz |
| `pipelines/ID/versions`: POST, GET; GET, DELETE `/ID` | versions of a pipeline |
| `runs`: POST, GET; GET, DELETE `/ID`; POST `/ID:terminate`, `:archive`, `:unarchive` | runs |
| `recurringruns`: POST, GET; GET, DELETE `/ID`; POST `/ID:enable`, `:disable` | schedules |
| `GET /apis/v1alpha1/runs/ID/nodes/POD/log` | what a pod has printed |
| `PUT /api/v1/namespaces/NAMESPACE/secrets/NAME`, `DELETE .../pods/NAME` | Kubernetes' own |

What is not there is refused as not implemented: retries of runs, visualizations, reports of the
workflow controller. All other paths are the S3 of its MinIO, by moto.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from waterflow.emulation.preparing import wishes_option
from waterflow.emulation.process import EmulatorProcess
from waterflow_kubeflow.emulator import objects, preparing
from waterflow_kubeflow.emulator.faults import RULES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from waterflow.emulation.faults import FaultRules
    from waterflow.project.profile import Profile

__all__ = ["Emulator"]


class Emulator(EmulatorProcess):
    """A Kubeflow Pipelines of one's own, in a process that ends with the block."""

    NAME: ClassVar[str] = "kubeflow"
    TITLE: ClassVar[str] = "Kubeflow Pipelines"
    MODULE: ClassVar[str] = "waterflow_kubeflow.emulator"
    LIBRARIES: ClassVar[tuple[str, ...]] = (
        "werkzeug",
        "moto",
        "celpy",
        "kfp_server_api",
        "obstore",
    )
    RULES: ClassVar[FaultRules] = RULES

    def variables(self, folder: Path) -> dict[str, str]:
        """Return the variables that point unmodified clients at it."""
        token = folder / "token"
        token.write_text(preparing.TOKEN)
        return {
            "KF_PIPELINES_ENDPOINT": self.endpoint,
            "KF_PIPELINES_UI_ENDPOINT": self.endpoint,
            "KF_PIPELINES_SA_TOKEN_PATH": str(token),
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_ACCESS_KEY_ID": preparing.KEY,
            "AWS_SECRET_ACCESS_KEY": preparing.SECRET,
            "AWS_REGION": objects.REGION,
        }

    def misleading(self) -> tuple[str, ...]:
        """Return the variables that would point them elsewhere."""
        return (
            "AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL",
            "KF_PIPELINES_IAP_OAUTH2_CLIENT_ID",
            "KF_PIPELINES_APP_OAUTH2_CLIENT_ID", "KF_PIPELINES_APP_OAUTH2_CLIENT_SECRET",
        )  # fmt: skip

    def wishes(self, profiles: Sequence[Profile]) -> tuple[str, list[str]]:
        """Return what profiles name, and a line for each that cannot be read."""
        return wishes_option(profiles, preparing.named_things)
