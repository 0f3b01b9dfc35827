"""Where people look at a run in MLflow, whichever MLflow it is."""

import pytest

from waterflow.tracking.pages import TrackedRun, run_page, ui_command

WORKSPACE = (
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w"
)
PAGES = {
    "http://127.0.0.1:5000": "http://127.0.0.1:5000/#/experiments/7/runs/abc",
    "https://mlflow.example/below/": "https://mlflow.example/below/#/experiments/7/runs/abc",
    "https://mlflow-abc.a.run.app": "https://mlflow-abc.a.run.app/#/experiments/7/runs/abc",
    f"azureml://eastus.api.azureml.ms/mlflow/v1.0{WORKSPACE}": (
        f"https://ml.azure.com/runs/abc?wsid={WORKSPACE}"
    ),
    f"azureml://usgovvirginia.api.ml.azure.us/mlflow/v1.0{WORKSPACE}": None,
    "arn:aws:sagemaker:eu-central-1:123456789012:mlflow-app/app-1": None,
    "sqlite:////home/ann/mlflow.db": None,
    "databricks": None,
}


@pytest.mark.parametrize(("uri", "page"), PAGES.items(), ids=PAGES)
def test_the_page_of_a_run(uri, page):
    assert run_page(uri, "7", "abc") == page


COMMANDS = {
    "sqlite:////home/ann/mlflow.db": "mlflow ui --backend-store-uri sqlite:////home/ann/mlflow.db",
    "sqlite:////home/ann/my runs/mlflow.db": (
        "mlflow ui --backend-store-uri 'sqlite:////home/ann/my runs/mlflow.db'"
    ),
    "postgresql+psycopg://db/mlflow": "mlflow ui --backend-store-uri postgresql+psycopg://db/mlflow",
    "arn:aws:sagemaker:eu-central-1:123456789012:mlflow-app/app-1": "waterflow ui",
}


@pytest.mark.parametrize(("uri", "command"), COMMANDS.items(), ids=COMMANDS)
def test_the_command_that_opens_pages(uri, command):
    assert ui_command(uri) == command


def test_what_is_learnt_is_added():
    known = TrackedRun(experiment="1", run="a", steps={"x": "b", "y": "c"})
    assert known.updated(None) is known
    later = TrackedRun(experiment="1", run="a", steps={"y": "d"})
    assert known.updated(later).steps == {"x": "b", "y": "d"}
