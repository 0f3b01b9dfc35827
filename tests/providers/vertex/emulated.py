"""The suite's emulator as Google's clients see it, and pipelines to run on it."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from waterflow_vertex.emulator.preparing import BUCKET, PROJECT, REGION

__all__ = [
    "BUCKET", "HOST", "PARENT", "PROJECT", "REGION", "container", "ended", "entered", "pipeline",
]  # fmt: skip

HOST = f"{REGION}-aiplatform.googleapis.com"
PARENT = f"projects/{PROJECT}/locations/{REGION}"


@contextmanager
def entered(emulator):
    """Let this process' clients find an emulator."""
    with pytest.MonkeyPatch.context() as patch:
        for name in emulator.unset:
            patch.delenv(name, raising=False)
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        # gRPC reads once in a process whom it trusts, and there are several emulators.
        trusted = Path(emulator.authorities).read_bytes()
        roots = grpc.ssl_channel_credentials(trusted)
        patch.setattr(grpc, "ssl_channel_credentials", lambda: roots)
        patch.setattr(
            grpc,
            "compute_engine_channel_credentials",
            lambda caller: grpc.composite_channel_credentials(roots, caller),
        )
        if "google.cloud.aiplatform" in sys.modules:  # it keeps the credentials of another one
            from google.cloud.aiplatform import initializer

            initializer.global_config.__init__()
        yield emulator


def container(script: str, *args: str, **more: Any) -> dict[str, Any]:
    """Return an executor that runs a script of the shell."""
    command = ["sh", "-ec", script]
    return {"container": {"image": "python:3.11", "command": command, "args": list(args), **more}}


def pipeline(
    executors: dict[str, Any], *, name: str = "suite", outputs: tuple[str, ...] = (), **tasks: Any
) -> dict[str, Any]:
    """Return a pipeline's document: a task for each executor, side by side but for `tasks`.

    Args:
        executors: Task -> its executor.
        name: The pipeline's name.
        outputs: The tasks with an output artifact `out`.
        tasks: Task -> more members of it.
    """
    made = {"artifacts": {"out": {"artifactType": {"schemaTitle": "system.Artifact",
                                                   "schemaVersion": "0.0.1"}}}}  # fmt: skip
    return {
        "pipelineInfo": {"name": name},
        "schemaVersion": "2.1.0",
        "sdkVersion": "waterflow",
        "root": {
            "inputDefinitions": {"parameters": {"word": {"parameterType": "STRING",
                                                         "defaultValue": "hello"}}},
            "dag": {
                "tasks": {
                    one: {
                        "taskInfo": {"name": one},
                        "componentRef": {"name": f"comp-{one}"},
                        "inputs": {
                            "parameters": {"word": {"componentInputParameter": "word"}}
                        },
                        **tasks.get(one, {}),
                    }
                    for one in executors
                }
            },
        },
        "components": {
            f"comp-{one}": {
                "executorLabel": f"exec-{one}",
                "inputDefinitions": {"parameters": {"word": {"parameterType": "STRING"}}},
                **({"outputDefinitions": made} if one in outputs else {}),
            }
            for one in executors
        },
        "deploymentSpec": {
            "executors": {f"exec-{one}": executor for one, executor in executors.items()}
        },
    }  # fmt: skip


def ended(look, *, seconds: float = 60.0):
    """Return what something has come to that ends; `look` returns it, and whether it has."""
    deadline = time.monotonic() + seconds
    while True:
        one = look()
        state = one.state.name.rpartition("_")[2]
        if state in ("SUCCEEDED", "FAILED", "CANCELLED"):
            return one
        assert time.monotonic() < deadline, one
        time.sleep(0.05)
