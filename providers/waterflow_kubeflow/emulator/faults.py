"""Which faults the emulator of Kubeflow Pipelines has, and which requests they strike."""

from __future__ import annotations

import re
from typing import Final

from waterflow.emulation.faults import FaultRules

RULES: Final = FaultRules(
    # Not among them: the objects, which pods read and write as well.
    services=frozenset({"kubeflow"}),
    step=re.compile(r"[^~]+~(?P<step>[^~]+)~\d+"),
)

WORDS: Final = {
    "exit": (9, "This step is in Error state with this message: Error (exit code {code})"),
    "timeout": (4, "Pod was active on the node longer than the specified deadline"),
    "capacity": (8, "Unschedulable: 0/3 nodes are available: the cluster has no capacity for it"),
    "limit": (8, "pods is forbidden: exceeded quota: kf-resource-quota, requested: pods=1"),
    "internal": (13, "Error (exit code 64): the pod was lost with its node"),
    "image": (9, 'ImagePullBackOff: Back-off pulling image "{image}"'),
    "fail": (9, "This step is in Error state with this message: Error (exit code 1)"),
}
"""What went wrong -> the code, and the words of Kubernetes and of Argo."""
