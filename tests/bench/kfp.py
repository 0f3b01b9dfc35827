"""The measures of the compilers of pipeline specs: alone, and beside kfp.dsl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.bench.measures import Row, in_turn
from tests.bench.programs import COMPILE, compiling, program, write_profile

if TYPE_CHECKING:
    from pathlib import Path

_PROFILES: Final = """
[profiles.google]
provider = "vertex"
project = "my-project"
bucket = "bench"
image = "us-docker.pkg.dev/my-project/bench/ml:1"
python = "{python}"
libraries = "image"
tracking.uri = "https://mlflow.example"

[profiles.cluster]
provider = "kubeflow"
host = "https://kubeflow.example"
bucket = "s3://bench"
image = "registry.example/ml:1"
python = "{python}"
libraries = "image"
tracking.uri = "https://mlflow.example"
"""
_SDK: Final = ("google.auth", "kfp")
"""Of `google` an environment may make the outermost package by itself."""
_TWIN: Final = """
import sys, tempfile, time
from kfp import compiler, dsl

@dsl.container_component
def step(number: int, output: dsl.Output[dsl.Artifact]):
    return dsl.ContainerSpec(image="image", command=["x"], args=[number, output.path])

@dsl.container_component
def next_step(x: dsl.Input[dsl.Artifact], output: dsl.Output[dsl.Artifact]):
    return dsl.ContainerSpec(image="image", command=["x"], args=[x.path, output.path])

def chain(number: int = 1):
    task = step(number=number)
    for _ in range(int(sys.argv[1]) - 1):
        task = next_step(x=task.outputs["output"])

with tempfile.TemporaryDirectory() as folder:
    begun = time.perf_counter()
    compiler.Compiler().compile(dsl.pipeline(name="chain")(chain), f"{folder}/chain.yaml")
    print(time.perf_counter() - begun)
"""
_TIMES: Final = 5


def pipeline_specs(folder: Path) -> list[Row]:
    """Compile a chain of 1,000 steps for both services, and as kfp.dsl compiles its twin."""
    write_profile(folder, _PROFILES)
    rows = [compiling(folder, "Kubeflow Pipelines", "cluster", _SDK)]
    theirs = float(program(folder, _TWIN, 1000))  # once: it takes seconds
    (ours,) = in_turn(2, lambda: float(program(folder, COMPILE, "google", *_SDK)))
    name = f"Vertex AI: compile a chain of 1,000 steps / kfp.dsl, {_TIMES} times as fast"
    return [*rows, Row(name, f"{ours:.2f} s", f"{theirs:.2f} s", ours / theirs, 1 / _TIMES)]


ALL: Final = (pipeline_specs,)
