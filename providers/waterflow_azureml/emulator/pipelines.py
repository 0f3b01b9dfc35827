"""Running one pipeline: which step begins when, what it is given, and what comes of it all."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from waterflow.emulation.clock import written
from waterflow_azureml.emulator import reuse
from waterflow_azureml.emulator.bindings import (
    Binding,
    BindingError,
    binding,
    bindings,
    substituted,
)
from waterflow_azureml.emulator.bodies import BodyError, Data, Literal, Target
from waterflow_azureml.emulator.commands import USER
from waterflow_azureml.emulator.driving import DrivenRun
from waterflow_azureml.emulator.graphs import component_name
from waterflow_azureml.emulator.logs import Log, artifact, signed
from waterflow_azureml.emulator.runs import Run
from waterflow_azureml.emulator.statuses import Status
from waterflow_azureml.emulator.tasks import Task, described

if TYPE_CHECKING:
    from waterflow_azureml.emulator.bodies import Given
    from waterflow_azureml.emulator.graphs import Node
    from waterflow_azureml.emulator.shared import Shared
    from waterflow_azureml.emulator.tasks import Plan
    from waterflow_azureml.emulator.workspaces import Workspace

LOG: Final = "logs/azureml/executionlogs.txt"
"""The name of a pipeline's own log."""
_FAILED: Final = (
    "Pipeline has failed child jobs. For more details and logs, please go to the job detail page "
    "and check the child jobs: {}"
)


class Pipeline(DrivenRun):
    """One pipeline, run by a thread of its own.

    Args:
        shared: What all jobs share.
        workspace: Where it runs.
        run: Its record.
        plan: What it runs.
    """

    def __init__(self, shared: Shared, workspace: Workspace, run: Run, plan: Plan) -> None:
        super().__init__(shared, workspace, run)
        self._plan = plan
        self._begun: dict[str, Run] = {}
        self._keys: dict[str, str] = {}
        self._stop_sent = False
        place = artifact(workspace, run, LOG)
        self._log = Log(shared.world.blobs, place)
        run.logs[LOG] = signed(place, shared.world.clock.now())

    # --- the loop ---------------------------------------------------------------------------------

    def _drive(self) -> None:
        timer = None
        if self._plan.limit is not None:
            timer = threading.Timer(self._plan.limit, self._expire)
            timer.daemon = True
            timer.start()
        while not self._closed:
            if self._halting and not self._stop_sent:
                self._stop_steps()
            if not self._halting:
                for node in self._ready():
                    self._begin(node)
            if all(run.final for run in self._begun.values()) and not (
                not self._halting and self._ready()
            ):
                break
            self._events.get()
        if timer is not None:
            timer.cancel()

    def _tidy(self) -> None:
        self._log.flush()

    def _expire(self) -> None:
        self._late = True
        self.stop()

    @property
    def _halting(self) -> bool:
        """Whether nothing more begins, and what runs is to end."""
        return self._stopping or (not self._plan.go_on and bool(self._failed()))

    def _failed(self) -> list[str]:
        bad = (Status.FAILED, Status.CANCELED)
        return [name for name, run in self._begun.items() if run.status in bad]

    def _stop_steps(self) -> None:
        self._stop_sent = True
        for run in self._begun.values():
            if not run.final:
                self._shared.stop(run)

    def _ready(self) -> list[Node]:
        done = {name for name, run in self._begun.items() if run.status == Status.COMPLETED}
        return [
            node
            for name, node in self._plan.graph.nodes.items()
            if name not in self._begun and node.before <= done
        ]

    def _finish(self) -> None:
        runs, failed = self._shared.runs, self._failed()
        if self._stopping:
            self.run.message = (
                f"The job was canceled: it ran longer than {self._plan.limit:g} seconds."
                if self._late
                else "The job was canceled."
            )
            self._say("The pipeline was canceled.")
            runs.move(self.run, Status.CANCELED)
        elif failed:
            self._say(f"The pipeline has failed: {', '.join(failed)}")
            runs.fail(self.run, USER, _FAILED.format(", ".join(failed)))
        else:
            runs.move(self.run, Status.FINALIZING)
            self._say("Completing the pipeline.")
            self._collect()
            runs.move(self.run, Status.COMPLETED)

    def _collect(self) -> None:
        """Take the outputs of steps that are the pipeline's."""
        for name, node in self._plan.graph.nodes.items():
            for port, target in node.outputs.items():
                bound = binding(target.text) if target.text else None
                if bound is not None and port in self._begun[name].outputs:
                    self.run.outputs[bound.name] = dict(self._begun[name].outputs[port])

    def _say(self, text: str) -> None:
        self._log.write([f"[{written(self._shared.world.clock.now())}] {text}"])

    # --- one step ---------------------------------------------------------------------------------

    def _begin(self, node: Node) -> None:
        run = self._begun[node.name] = self._child(node)
        try:
            inputs = {name: self._given(node, name) for name in node.ports}
            there = {name: one for name, one in inputs.items() if one is not None}
            for name, one in there.items():
                if isinstance(one, Literal):
                    node.ports[name].check(name, one.text)
            outputs = {name: self._target(node, name) for name in node.made}
        except (BodyError, BindingError) as error:
            self._shared.runs.fail(run, USER, str(error))
            self._ended(run)
            return
        run.inputs = {name: described(one) for name, one in there.items()}
        if node.graph is not None:
            plan = replace(self._plan, graph=node.graph, inputs=there, outputs=outputs, limit=None)
            self._say(f"Submitting pipeline {node.name}:{run.name}")
            self._shared.run_pipeline(self._workspace, run, plan, self._ended)
            return
        assert node.work is not None  # noqa: S101 - every other step has one
        task = Task(work=node.work, inputs=there, outputs=outputs, datastore=self._plan.datastore)
        if node.sweep is not None:
            self._shared.run_sweep(self._workspace, run, node.sweep, task, self._ended)
            return
        if self._reused(node, run, task):
            self._ended(run)
            return
        self._say(f"Submitting {node.name}:{run.name}")
        self._shared.run_command(self._workspace, run, task, self._ended)

    def _child(self, node: Node) -> Run:
        """Return a new record for a step: it is made when the step can begin."""
        parent, (name, version) = self.run, component_name(node.component)
        properties = {
            "azureml.runsource": "azureml.StepRun",
            "runSource": "MFE",
            "runType": "HTTP",
            "StepType": "PythonScriptStep",
            "azureml.moduleid": node.component,
            "azureml.moduleName": name,
            "azureml.moduleVersion": version,
            "azureml.nodeid": self._shared.node_id(parent, node.name),
            "azureml.pipelinerunid": parent.name,
            "azureml.pipeline": parent.name,
            "azureml.rootpipelinerunid": parent.root,
            "azureml.pipelineComponent": "masterescloud",
        }
        about = node.about
        return self._shared.runs.add(
            Run(
                name=self._shared.new_name(),
                workspace=parent.workspace,
                kind=node.kind,
                body={"jobType": node.kind, "componentId": node.component},
                parent=parent.name,
                root=parent.root,
                node=node.name,
                display_name=node.display_name,
                experiment=parent.experiment,
                description=str(about.get("description") or ""),
                tags={str(key): str(value) for key, value in (about.get("tags") or {}).items()},
                properties={
                    **{str(key): str(one) for key, one in (about.get("properties") or {}).items()},
                    **properties,
                },
            )
        )

    def _ended(self, run: Run) -> None:
        """Take the end of a step, from whichever thread."""
        if run.status == Status.COMPLETED and run.node in self._keys and not run.reuses:
            self._shared.results.add(run.workspace, self._keys[run.node], run)
        self._say(f"Completing {run.node}:{run.name}: {run.status}")
        self._events.put(run)

    def _reused(self, node: Node, run: Run, task: Task) -> bool:
        """Let an earlier result stand for a step if there is one, and say so."""
        if self._plan.rerun or not task.work.deterministic:
            return False
        digest = self._shared.reuse_key(task)
        if digest is None:
            return False
        self._keys[node.name] = digest
        origin = self._shared.earlier(run.workspace, digest)
        if origin is None:
            return False
        run.reuses = origin.name
        run.properties |= {
            reuse.FLAG: "true",
            reuse.ORIGIN: origin.name,
            reuse.ORIGIN_PIPELINE: origin.root,
        }
        run.outputs = {name: dict(output) for name, output in origin.outputs.items()}
        run.logs, run.compute = dict(origin.logs), dict(origin.compute)
        self._say(f"Reusing {origin.name} for {node.name}:{run.name}")
        self._shared.runs.move(run, Status.COMPLETED)
        return True

    # --- what is bound ----------------------------------------------------------------------------

    def _given(self, node: Node, name: str) -> Given | None:
        """Return what an input of a step is given, nothing left to be bound; None for nothing."""
        port, one = node.ports[name], node.inputs.get(name)
        if one is not None:
            one = self._bound(one)
        if one is None and port.default is not None:
            one = Literal(port.default)
        if one is None and not port.optional:
            raise BodyError(f"the required input '{name}' has no value")
        return one

    def _bound(self, one: Given) -> Given | None:
        text, mode = (one.text, "") if isinstance(one, Literal) else (one.uri, one.mode)
        bound = binding(text)
        if bound is None:
            held = {each: self._text(each) for each in bindings(text)}
            whole = substituted(text, held)
            return Literal(whole) if isinstance(one, Literal) else replace(one, uri=whole)
        value = self._value(bound)
        if isinstance(value, Data) and mode:
            return replace(value, mode=mode)
        return value

    def _value(self, bound: Binding) -> Given | None:
        if not bound.job:
            value = self._plan.inputs.get(bound.name)
            port = self._plan.graph.ports.get(bound.name)
            if value is None and port is not None and port.default is not None:
                return Literal(port.default)
            return value
        output = self._begun[bound.job].outputs.get(bound.name)
        if output is None:
            raise BindingError(f"step '{bound.job}' has made no output '{bound.name}'")
        return Data(output["type"], output["uri"], made=True)

    def _text(self, bound: Binding) -> str:
        value = self._value(bound)
        if value is None:
            raise BindingError(f"input '{bound.name}' has no value")
        return value.text if isinstance(value, Literal) else value.uri

    def _target(self, node: Node, name: str) -> Target:
        """Return where an output of a step goes, nothing left to be bound."""
        target, port = node.outputs.get(name, Target()), node.made[name]
        bound = binding(target.text) if target.text else None
        if bound is not None:
            outer = self._plan.outputs.get(bound.name, Target())
            target = replace(outer, mode=outer.mode or target.mode)
        return replace(
            target,
            kind=target.kind or port.kind,
            mode=target.mode or port.mode or "rw_mount",
            text="",
        )
