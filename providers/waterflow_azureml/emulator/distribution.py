"""The processes of a job: those of each node, what each knows of the others, and its log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from waterflow_azureml.emulator.bodies import BodyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from waterflow_azureml.emulator.bodies import Distribution

_PORT: Final = 6105
"""Where the processes of a PyTorch job meet: nothing else is in their network."""
_FIRST: Final = 2222


@dataclass(frozen=True)
class Process:
    """One process of a job.

    Attributes:
        variables: What it knows of itself and the others.
        log: The name of its log.
    """

    variables: Mapping[str, str]
    log: str


def hosts(instances: int) -> list[str]:
    """Return the names of a job's nodes."""
    return [f"node-{number}" for number in range(instances)]


def processes(distribution: Distribution, addresses: Sequence[str]) -> list[list[Process]]:
    """Return the processes of each node.

    Args:
        distribution: How they find each other.
        addresses: The nodes' addresses.

    Raises:
        BodyError: There are not so many nodes as it says.
    """
    if distribution.kind == "tensorflow":
        return _tensorflow(distribution, addresses)
    world = len(addresses) * distribution.processes
    first, several = addresses[0], world > 1
    listed: list[list[Process]] = []
    for node in range(len(addresses)):
        here: list[Process] = []
        for local in range(distribution.processes):
            rank = node * distribution.processes + local
            variables = {"AZUREML_NODE_COUNT": str(len(addresses))}
            if distribution.kind == "pytorch":
                # https://learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu
                variables |= {
                    "MASTER_ADDR": first,
                    "MASTER_PORT": str(_PORT),
                    "WORLD_SIZE": str(world),
                    "NODE_RANK": str(node),
                    "RANK": str(rank),
                    "LOCAL_RANK": str(local),
                }
            elif distribution.kind == "mpi":
                variables |= {
                    "OMPI_COMM_WORLD_RANK": str(rank),
                    "OMPI_COMM_WORLD_SIZE": str(world),
                    "OMPI_COMM_WORLD_LOCAL_RANK": str(local),
                    "OMPI_COMM_WORLD_LOCAL_SIZE": str(distribution.processes),
                    "AZ_BATCH_MASTER_NODE": f"{first}:{_PORT}",
                    "AZ_BATCHAI_MPI_MASTER_NODE": first,
                }
            else:
                variables |= {"NODE_RANK": str(node)} if several else {}
            here.append(Process(variables, _log(rank, world) if several else "std_log.txt"))
        listed.append(here)
    return listed


def _tensorflow(distribution: Distribution, addresses: Sequence[str]) -> list[list[Process]]:
    servers = distribution.servers
    workers = distribution.workers or len(addresses) - servers
    if workers < 1 or workers + servers != len(addresses):
        raise BodyError(
            f"a TensorFlow distribution of {distribution.workers} workers and {servers} parameter "
            f"servers needs as many instances: there are {len(addresses)}"
        )
    cluster = {
        "worker": [f"{address}:{_FIRST}" for address in addresses[:workers]],
        **({"ps": [f"{one}:{_FIRST}" for one in addresses[workers:]]} if servers else {}),
    }
    listed: list[list[Process]] = []
    for node in range(len(addresses)):
        kind, index = ("worker", node) if node < workers else ("ps", node - workers)
        config = {
            "cluster": cluster,
            "task": {"type": kind, "index": index},
            "environment": "cloud",
        }
        ending = "_ps" if kind == "ps" else ""
        log = _log(index, workers, ending) if len(addresses) > 1 else "std_log.txt"
        listed.append([Process({"TF_CONFIG": json.dumps(config)}, log)])
    return listed


def _log(rank: int, count: int, ending: str = "") -> str:
    """Return the name of a process's log, by which clients know the first one to show."""
    return f"std_log_process_{rank:0{len(str(count - 1))}d}{ending}.txt"
