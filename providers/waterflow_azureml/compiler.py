"""The compiler: a spec becomes a pipeline job of Azure ML, one command component a step; pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from waterflow.cloud.document import build_key
from waterflow.cloud.job_tracking import JobTracking, Reach, job_tracking
from waterflow.cloud.settings import check_steps
from waterflow.errors import DefinitionError, Gathering
from waterflow.provider import PlannedJob
from waterflow.runs import lineage
from waterflow_azureml import cron, limits
from waterflow_azureml.document import AzureMLDocument
from waterflow_azureml.machines import prices
from waterflow_azureml.translation import naming, nodes, parameters
from waterflow_azureml.translation.computes import SERVERLESS
from waterflow_azureml.translation.planning import AzurePlanning

if TYPE_CHECKING:
    from waterflow import spec
    from waterflow.cloud.document import Control, Encoding
    from waterflow.project.profile import Profile
    from waterflow.provider import Build
    from waterflow_azureml.profile import AzureMLSettings

SCHEMA: Final = "https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json"
REACH: Final = Reach("Azure ML", "azureml://", "the workspace's own: azureml://...")


def compile_azureml(build: Build, settings: AzureMLSettings, profile: Profile) -> AzureMLDocument:
    """Translate a pipeline into what is started on Azure ML.

    Args:
        build: The spec and what was found about its code and data.
        settings: The profile's settings.
        profile: The profile.

    Raises:
        UnsupportedFeatureError: Azure ML cannot honour a setting.
        ConfigurationError: The profile does not fit the pipeline.
        DefinitionError: A name or a value is none that Azure ML takes.
    """
    pipeline = build.spec
    errors = Gathering()
    with errors:
        check_steps(settings, pipeline, profile.name)
    tags = lineage.tags(build, "azureml", profile.name)
    mlflow = JobTracking()
    with errors:
        mlflow = job_tracking(build, tags, REACH)
    encodings: dict[str, Encoding] = {}
    with errors:
        encodings = parameters.encodings(pipeline)
    planning = AzurePlanning(build, settings, mlflow, encodings)
    kept = build_key(tags)
    control: dict[str, Control] = {}
    jobs = _nodes(planning, control, errors)
    if pipeline.schedule is not None:
        with errors:  # what cannot be said is told before `schedule apply` comes to it
            cron.trigger(pipeline.schedule)
    errors.check()
    name = naming.display_name(settings.prefix, pipeline.name)
    definition = _definition(planning, profile, name, kept, jobs)
    plans = {step.name: planning.plan(step) for step in pipeline.steps}
    document = AzureMLDocument(
        provider="azureml",
        content={},
        jobs=tuple(_rows(planning)),
        notes=tuple(_notes(planning)),
        pipeline=name,
        definition=definition,
        tags=tags | {"waterflow.native_pipeline": name},
        build=kept,
        control=control,
        wheelhouses=planning.pinner.wheelhouses,
        data={uri: planning.data(uri) for uri in build.data},
        copies={uri: key for uri in build.data if (key := planning.copy_of(uri)) is not None},
        none=planning.none,
        encodings=encodings,
        spot=frozenset(planning.native[n] for n, plan in plans.items() if plan.compute.spot),
        secrets=tuple(
            sorted({s for step in pipeline.steps for s in step.environment.secrets.values()})
        ),
        identities=tuple(
            sorted({plan.identity for plan in plans.values() if plan.identity is not None})
        ),
    )
    return replace(document, content=_content(build, document))


def _definition(
    planning: AzurePlanning, profile: Profile, name: str, kept: str, jobs: dict[str, Any]
) -> dict[str, Any]:
    """Return the pipeline job, as YAML for `az ml job create`."""
    settings, pipeline = planning.settings, planning.pipeline
    definition: dict[str, Any] = {
        "$schema": SCHEMA,
        "type": "pipeline",
        "display_name": name,
        "experiment_name": naming.experiment(profile.experiment or name),
    }
    description = " ".join(pipeline.description.split())[: limits.DESCRIPTION.most]
    if description:
        definition["description"] = description
    definition["tags"] = dict(sorted(settings.tags.items())) | {
        "waterflow.build": planning.uri(kept),
        "waterflow.pipeline": pipeline.name,
    }
    inputs = parameters.natives(planning)
    if inputs:
        definition["inputs"] = inputs
    compute = planning.gate_compute.fields["compute"] if settings.clusters else SERVERLESS
    definition["settings"] = {
        "default_compute": compute,
        "default_datastore": f"azureml:{settings.datastore}",
        "continue_on_step_failure": True,
        "force_rerun": False,
    }
    definition["jobs"] = jobs
    return definition


def _nodes(
    planning: AzurePlanning, control: dict[str, Control], errors: Gathering
) -> dict[str, Any]:
    """Return the nodes, each after all that it waits for; what is wrong with one lets others be."""
    jobs: dict[str, Any] = {}
    gates = {gate.name: gate for gate in planning.pipeline.gates}

    def decide(branch: spec.Branch | None) -> None:
        if branch is None or planning.gates[branch.gate] in jobs:
            return
        decide(gates[branch.gate].within)
        native = planning.gates[branch.gate]
        jobs[native] = {}
        with errors:
            jobs[native], control[native] = nodes.gate_node(planning, gates[branch.gate])

    for step in planning.pipeline.steps:
        decide(step.branch)
        native = planning.native[step.name]
        with errors:
            jobs[native], its_control = nodes.step_node(planning, step)
            if its_control is not None:
                control[native] = its_control
    return jobs


def _content(build: Build, document: AzureMLDocument) -> dict[str, Any]:
    """Return a document as plain data, for people and for comparisons."""
    return {
        "job": document.definition,
        **document.job_content(build),
        "schedule": build.spec.schedule,
        "parameters": document.encodings,
    }


def check_size(document: AzureMLDocument) -> None:
    """Refuse a pipeline job that is larger than Azure takes.

    Args:
        document: The compiled pipeline.

    Raises:
        DefinitionError: It is larger.
    """
    number = len(document.definition["jobs"])
    for bound, size in ((limits.BODY, document.size), (limits.STEPS, number)):
        if size > bound.most:
            raise DefinitionError(
                f"Pipeline '{document.pipeline}' has {size:,} {bound.what}; Azure ML takes "
                f"{bound.most:,}. Take several steps together, let one step map over a list "
                "(wf.map), or make two pipelines of it"
            )


# --- the plan -----------------------------------------------------------------------------------


def _rows(planning: AzurePlanning) -> list[PlannedJob]:
    rows: list[PlannedJob] = []
    for step in planning.pipeline.steps:
        compute = planning.plan(step).compute
        notes = list(compute.notes)
        if step.branch is not None:
            notes.append(
                f"behind {step.branch.gate}: its job runs and does nothing where the other side "
                "is taken"
            )
        if step.after:
            notes.append(f"waits for {', '.join(step.after)} by an input that it does not read")
        rows.append(
            PlannedJob(
                step=step.name,
                kind=compute.kind,
                machine=compute.machine.type,
                price=compute.machine.price,
                notes=tuple(notes),
            )
        )
    return rows


def _notes(planning: AzurePlanning) -> list[str]:
    notes = [prices().note(planning.settings.region)]
    if planning.pipeline.gates:
        compute = planning.gate_compute
        names = ", ".join(gate.name for gate in planning.pipeline.gates)
        price = "" if compute.machine.price is None else f", ${compute.machine.price:g} an hour"
        notes.append(
            "conditions are jobs of their own, as Azure ML's public pipelines have none: "
            f"{names} on {compute.machine.type}{price}; the steps behind them always run, and do "
            "nothing on the side that is not taken"
        )
    return [*notes, *planning.unpinned_note()]
