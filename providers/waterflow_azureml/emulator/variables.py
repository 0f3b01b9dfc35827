"""The variables that Azure ML sets in every job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from waterflow_azureml.emulator import identity

if TYPE_CHECKING:
    from waterflow_azureml.emulator.runs import Run
    from waterflow_azureml.emulator.workspaces import Workspace
    from waterflow_azureml.emulator.world import World

ROOT: Final = "/mnt/azureml"
"""Below which every job finds its files."""


def folder(run: Run) -> str:
    """Return a job's own folder, as it sees it."""
    return f"{ROOT}/cr/j/{run.uuid.replace('-', '')}"


def working(run: Run) -> str:
    """Return where a job's command starts."""
    return f"{folder(run)}/exe/wd"


def data(run: Run) -> str:
    """Return where a job's inputs and outputs are."""
    return f"{folder(run)}/cap/data-capability/wd"


def injected(world: World, workspace: Workspace, run: Run, client: str) -> dict[str, str]:
    """Return what the service sets in a job.

    Args:
        world: What there is.
        workspace: The workspace that it runs in.
        run: The job.
        client: The client id of its identity; "" for the compute's only one.
    """
    scope, service = workspace.scope, f"https://{workspace.host}"
    experiment = run.experiment_id
    token = world.parts["identities"].admit(f"job/{run.name}")
    bearer, expiry = world.parts["identities"].token(f"job/{run.name}", "https://ml.azure.com")
    context = {
        "subscription_id": scope.subscription,
        "resource_group": scope.group,
        "workspace_name": scope.workspace,
        "workspace_id": workspace.guid,
        "service_endpoint": service,
        "discovery_endpoint": f"{service}/discovery",
        "experiment_name": run.experiment,
        "experiment_id": experiment,
        "root_run_id": run.root,
        "run_id": run.name,
        "run_history_service_endpoint": service,
        "data_container_id": run.container_id,
        "run_uuid": run.uuid,
    }
    return {
        "AZUREML_RUN_ID": run.name,
        "AZUREML_ROOT_RUN_ID": run.root,
        "AZUREML_EXPERIMENT_ID": experiment,
        "AZUREML_EXPERIMENT_NAME": run.experiment,
        "AZUREML_EXPERIMENT_SCOPE": f"{scope.id}/experiments/{run.experiment}",
        "AZUREML_ARM_SUBSCRIPTION": scope.subscription,
        "AZUREML_ARM_RESOURCEGROUP": scope.group,
        "AZUREML_ARM_WORKSPACE_NAME": scope.workspace,
        "AZUREML_ARM_PROJECT_NAME": run.experiment,
        "AZUREML_WORKSPACE_ID": workspace.guid,
        "AZUREML_WORKSPACE_SCOPE": scope.id,
        "AZUREML_SERVICE_ENDPOINT": service,
        "AZUREML_DISCOVERY_SERVICE_ENDPOINT": f"{service}/discovery",
        "AZUREML_RUN_HISTORY_SERVICE_ENDPOINT": service,
        "AZUREML_RUN_TOKEN": bearer,
        "AZUREML_RUN_TOKEN_EXPIRY": str(expiry),
        "AZUREML_CR_AZUREML_CONTEXT": json.dumps(context),
        "AZUREML_CR_EXECUTION_WORKING_DIR_PATH": working(run),
        "AZUREML_CR_DATA_CAPABILITY_PATH": data(run),
        # The workspace's own tracking server, whatever server the job's author has in mind.
        "MLFLOW_TRACKING_URI": f"azureml://{workspace.host}/mlflow/v1.0{scope.id}",
        "MLFLOW_TRACKING_TOKEN": bearer,
        "MLFLOW_RUN_ID": run.name,
        "MLFLOW_EXPERIMENT_ID": experiment,
        "MLFLOW_EXPERIMENT_NAME": run.experiment,
        **({"DEFAULT_IDENTITY_CLIENT_ID": client} if client else {}),
        **identity.variables(world.endpoint, token),
    }
