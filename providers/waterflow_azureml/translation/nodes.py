"""The nodes of a pipeline job: one command component a step, and one a gate."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from waterflow import spec
from waterflow.cloud.control import LAUNCH, control_digest
from waterflow.cloud.document import Control
from waterflow.errors import DefinitionError, UnsupportedFeatureError
from waterflow.spec.job import leaves
from waterflow.spec.references import operands, value_name
from waterflow_azureml import limits
from waterflow_azureml.translation import naming, quoting
from waterflow_azureml.translation.containers import command as container_command
from waterflow_azureml.translation.control import BEHIND, GATE, programs
from waterflow_azureml.translation.parts import NodeParts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from waterflow_azureml.translation.planning import AzurePlanning, StepPlan


def step_node(planning: AzurePlanning, step: spec.Step) -> tuple[dict[str, Any], Control | None]:
    """Return a step's node, and what its jobs are given besides their inputs.

    Args:
        planning: The pipeline and its settings.
        step: The step.

    Raises:
        UnsupportedFeatureError: Azure ML cannot honour a setting.
        ConfigurationError: The profile does not fit the step.
        DefinitionError: Its command would be too long.
    """
    plan = planning.plan(step)
    step = planning.without_static(step)
    native, parts = planning.native[step.name], NodeParts()
    gates = _gates(planning, parts, step.branch)
    control = None
    if isinstance(step.run, spec.Container):
        _inputs(planning, parts, step)
        _waits(planning, parts, step)
        _outputs(planning, parts, step)
        if step.name not in planning.awaited:
            del parts.outputs[naming.RESULT]
        parts.words = container_command(planning, step, step.run, parts, gates)
    else:
        control = _launched(planning, plan, parts, step, gates)
    return _node(planning, plan, native, step, parts), control


# --- what a node is given -----------------------------------------------------------------------


def _gates(
    planning: AzurePlanning, parts: NodeParts, branch: spec.Branch | None
) -> list[tuple[str, bool]]:
    """Add the decisions of the gates that something stands behind; return inputs and sides."""
    return [
        (parts.folder(f"waterflow_gate_{number}", _output(gate, naming.DECISION)), side)
        for number, (gate, side) in enumerate(planning.chain(branch), 1)
    ]


def _output(native: str, name: str) -> str:
    return f"${{{{parent.jobs.{native}.outputs.{name}}}}}"


def _inputs(
    planning: AzurePlanning, parts: NodeParts, step: spec.Step
) -> dict[str, dict[str, Any]]:
    """Add a step's artifacts and outside data; return how launch.json says them."""
    launch: dict[str, dict[str, Any]] = {}
    for name, source in leaves(step):
        if isinstance(source, spec.FromStep):
            bound = _output(
                planning.native[source.step], planning.output_key(source.step, source.output)
            )
            parts.paths[name] = parts.folder(name, bound)
            launch[name] = {"from": name, "output": source.output}
            if planning.is_raw(source):
                launch[name]["raw"] = True  # without a manifest: the reader seals it
                if planning.may_be_skipped(source.step):
                    launch[name]["type"] = "path"
        elif isinstance(source, spec.FromData):
            parts.paths[name] = parts.folder(name, planning.data(source.uri))
            launch[name] = {"data": name, "optional": False}
        elif planning.pipeline.parameters[source.name].type == "data":
            bound = f"${{{{parent.inputs.{source.name}}}}}"
            parts.paths[name] = parts.folder(name, bound)
            optional = planning.pipeline.parameters[source.name].optional
            launch[name] = {"data": name, "optional": optional}
    return launch


def _waits(planning: AzurePlanning, parts: NodeParts, step: spec.Step) -> None:
    """Add an input for each step that must end first although nothing comes from it.

    A public pipeline has no other order than that of its data.
    """
    for number, before in enumerate(step.after, 1):
        bound = _output(planning.native[before], naming.RESULT)
        parts.folder(f"waterflow_after_{number}", bound)


def _outputs(planning: AzurePlanning, parts: NodeParts, step: spec.Step) -> None:
    for name in sorted(step.outputs):
        parts.outputs[planning.output_key(step.name, name)] = "upload", planning.run(name)
    parts.outputs[naming.RESULT] = "upload", planning.run(naming.RESULT)


def _launched(
    planning: AzurePlanning,
    plan: StepPlan,
    parts: NodeParts,
    step: spec.Step,
    gates: list[tuple[str, bool]],
) -> Control:
    """Make the job of a step that our launcher starts."""
    inputs = _inputs(planning, parts, step)
    _waits(planning, parts, step)
    _outputs(planning, parts, step)
    mounts = {entry["from"]: entry["from"] for entry in inputs.values() if "from" in entry}
    shared = planning.launch(step, plan.python, plan.libraries, inputs, mounts)
    launch: dict[str, Any] = {"version": 1, **shared}
    if step.environment.secrets:
        launch["vault"] = planning.settings.vault
    planning.mlflow.add_to(launch, planning.build, step)
    document = planning.step_document(step)
    digest = control_digest(launch, document, planning.build.code(step.name), programs())
    control = parts.folder(naming.CONTROL, planning.uri(f"control/{digest}/"), "download")
    words = ["python3", f"{quoting.path('inputs', control)}/{BEHIND if gates else LAUNCH}"]
    words += [_gate(name, side) for name, side in gates]
    if plan.libraries.wheels is not None:
        address = planning.uri(f"wheels/{plan.libraries.wheels}/")
        wheels = parts.folder(naming.WHEELS, address, "download")
        words.append(f"--at=wheels={quoting.path('inputs', wheels)}")
    if step.resources.spot:
        parts.outputs[naming.CHECKPOINT] = "rw_mount", planning.uri(f"checkpoints/{digest}/")
        words.append(f"--at=checkpoint={quoting.path('outputs', naming.CHECKPOINT)}")
    words.append(f"--at=result={quoting.path('outputs', naming.RESULT)}")
    for name in sorted(step.outputs):
        key = planning.output_key(step.name, name)
        words.append(f"--at={quoting.word(f'out.{name}')}={quoting.path('outputs', key)}")
    for name, key in parts.paths.items():
        words.append(f"--at={quoting.word(f'in.{name}')}={quoting.path('inputs', key)}")
    if isinstance(step.run, spec.Register):
        started = parts.text(naming.STARTED, f"${{{{parent.inputs.{naming.STARTED}}}}}")
        words.append(f"--at=started={quoting.value(started)}")
    words += _parameters(planning, parts, step)
    parts.words = words
    return Control(digest=digest, source=step.name, launch=launch, step=document)


def _gate(name: str, side: bool) -> str:
    return f"--gate={'true' if side else 'false'}={quoting.path('inputs', name)}"


def _parameters(planning: AzurePlanning, parts: NodeParts, step: spec.Step) -> Iterable[str]:
    for name, source in leaves(step):
        if not isinstance(source, spec.FromParameter):
            continue
        if planning.pipeline.parameters[source.name].type == "data":
            continue
        key = parts.text(name, f"${{{{parent.inputs.{source.name}}}}}")
        flag = "text" if planning.encodings.get(source.name) == "text" else "param"
        yield f"--{flag}={quoting.word(name)}={quoting.value(key)}"


# --- gates --------------------------------------------------------------------------------------


def gate_node(planning: AzurePlanning, gate: spec.Gate) -> tuple[dict[str, Any], Control]:
    """Return a gate's node: a small job that evaluates its condition.

    Args:
        planning: The pipeline and its settings.
        gate: The gate.
    """
    native, parts = planning.gates[gate.name], NodeParts()
    outer = _gates(planning, parts, gate.within)
    steps: dict[str, str] = {}
    names: list[str] = []
    for operand in operands(gate.condition):
        if isinstance(operand, spec.FromStep) and operand.step not in steps:
            _refuse_container(planning, gate, operand.step)
            bound = _output(planning.native[operand.step], naming.RESULT)
            steps[operand.step] = parts.folder(operand.step, bound)
        elif isinstance(operand, spec.FromParameter) and operand.name not in names:
            names.append(operand.name)
    parts.outputs[naming.DECISION] = "upload", planning.run(naming.DECISION)
    launch = {"condition": condition_of(planning, gate.condition)}
    digest = control_digest(launch, {}, None, programs())
    control = parts.folder(naming.CONTROL, planning.uri(f"control/{digest}/"), "download")
    words = ["python3", f"{quoting.path('inputs', control)}/{GATE}"]
    words.append(f"--out={quoting.path('outputs', naming.DECISION)}")
    words += [_gate(name, side) for name, side in outer]
    for step, key in steps.items():
        words.append(f"--step={planning.native[step]}={quoting.path('inputs', key)}")
    for name in names:
        if planning.pipeline.parameters[name].static:
            continue
        key = parts.text(name, f"${{{{parent.inputs.{name}}}}}")
        flag = "text" if planning.encodings.get(name) == "text" else "param"
        words.append(f"--{flag}={quoting.word(name)}={quoting.value(key)}")
    parts.words = words
    node = {
        "type": "command",
        "display_name": native,
        "properties": _about(planning, {"waterflow.gate": gate.name}, gate.within, [
            [planning.native[step]] for step in steps
        ]),
        "component": {
            "type": "command",
            "display_name": f"gate {gate.name}",
            "is_deterministic": True,
            "command": _command(gate.name, words),
            "environment": planning.gate_environment(),
            "inputs": parts.types,
            "outputs": {name: _declared(mode) for name, (mode, _) in parts.outputs.items()},
        },
        **planning.gate_compute.own_fields(),
        "inputs": parts.bound,
        "outputs": {name: _placed(path) for name, (_, path) in parts.outputs.items()},
    }  # fmt: skip
    if planning.settings.identity is not None:
        node["identity"] = _identity(planning.settings.identity)
    return node, Control(digest=digest, source=gate.name, launch=launch, step={})


def _refuse_container(planning: AzurePlanning, gate: spec.Gate, name: str) -> None:
    """Refuse a condition on what a program writes, which leaves no scalars.

    Raises:
        UnsupportedFeatureError: It is one.
    """
    if isinstance(planning.steps[name].run, spec.Container):
        raise UnsupportedFeatureError(
            planning.behind(gate.name),
            f"a condition on what the container step '{name}' writes",
            "azureml",
            "Let a Python step read it and return the value, and use that in the condition.",
        )


def condition_of(planning: AzurePlanning, condition: spec.Condition) -> dict[str, Any]:
    """Return a condition as `job/gate.py` reads it."""
    if isinstance(condition, spec.Compare):
        return {
            "left": _operand(planning, condition.left),
            "operator": condition.operator,
            "right": _operand(planning, condition.right),
        }
    if isinstance(condition, spec.Not):
        return {"not": condition_of(planning, condition.part)}
    word = "all" if isinstance(condition, spec.All) else "any"
    return {word: [condition_of(planning, part) for part in condition.parts]}


def _operand(planning: AzurePlanning, operand: spec.Operand) -> dict[str, Any]:
    if isinstance(operand, spec.FromValue):
        return {"value": operand.value}
    if isinstance(operand, spec.FromStep):
        key = planning.keys(operand.step)[value_name(operand)]
        return {"step": planning.native[operand.step], "key": key}
    parameter = planning.pipeline.parameters[operand.name]
    return {"value": parameter.default} if parameter.static else {"parameter": operand.name}


# --- the node -----------------------------------------------------------------------------------


def _node(
    planning: AzurePlanning, plan: StepPlan, native: str, step: spec.Step, parts: NodeParts
) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "command",
        "display_name": step.name,
        "is_deterministic": planning.is_cached(step),
        "command": _command(step.name, parts.words),
        "environment": plan.environment,
        "inputs": parts.types,
        "outputs": {name: _declared(mode) for name, (mode, _) in parts.outputs.items()},
    }
    if plan.distribution is not None:
        component["distribution"] = plan.distribution
    fields = plan.compute.own_fields()
    own = planning.settings.of(planning.pipeline.name, step.name)
    if own.shm_size is not None:
        fields["resources"] = {**fields.get("resources", {}), "shm_size": own.shm_size}
    about = {"waterflow.step": step.name}
    node: dict[str, Any] = {
        "type": "command",
        "display_name": native,
        "properties": _about(planning, about, step.branch, list(_needs(planning, step))),
        "component": component,
        **fields,
    }
    if isinstance(step.run, spec.Container) and step.environment.variables:
        node["environment_variables"] = dict(sorted(step.environment.variables.items()))
    if plan.seconds is not None:
        node["limits"] = {"timeout": plan.seconds}
    if plan.identity is not None:
        node["identity"] = _identity(plan.identity)
    if parts.bound:
        node["inputs"] = parts.bound
    node["outputs"] = {name: _placed(path) for name, (_, path) in parts.outputs.items()}
    return node


def _about(
    planning: AzurePlanning,
    about: dict[str, str],
    branch: spec.Branch | None,
    needs: list[list[str]],
) -> dict[str, str]:
    """Return what a node says of itself, for who reads the job back."""
    chain = planning.chain(branch)
    if chain:
        about["waterflow.chain"] = json.dumps(chain)
    if needs:
        about["waterflow.needs"] = json.dumps(needs)
    return about


def _needs(planning: AzurePlanning, step: spec.Step) -> Iterable[list[str]]:
    """Yield groups of nodes: a step is skipped when of one group all are."""
    for input_ in step.inputs.values():
        source = input_.source
        if isinstance(source, spec.FromFirst):
            yield [planning.native[option.step] for option in source.options]
            continue
        for item in source.items if isinstance(source, spec.FromList) else (source,):
            if isinstance(item, spec.FromStep):
                yield [planning.native[item.step]]


def _identity(client: str) -> dict[str, str]:
    return {"type": "managed", "client_id": client}


def _declared(mode: str) -> dict[str, str]:
    return {"type": "uri_folder", "mode": mode}


def _placed(path: str) -> dict[str, str]:
    return {"type": "uri_folder", "path": path}


def _command(step: str, words: list[str]) -> str:
    """Return a node's command.

    Raises:
        DefinitionError: It is longer than a shell can be given.
    """
    text = " ".join(words)
    if len(text.encode()) > limits.COMMAND.most:
        raise DefinitionError(
            f"Step '{step}': its command has {len(text.encode()):,} bytes; a job of Azure ML takes "
            f"{limits.COMMAND.most:,}. Put values into a file and take it as wf.Data"
        )
    return text
