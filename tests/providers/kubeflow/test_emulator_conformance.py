"""The emulator of Kubeflow Pipelines does what every emulator must."""

from waterflow.testing import EmulatorConformance

CLIENT = """
import os, sys
from pathlib import Path
import kfp_server_api as api
configuration = api.Configuration(host=os.environ["KF_PIPELINES_ENDPOINT"])
token = Path(os.environ["KF_PIPELINES_SA_TOKEN_PATH"]).read_text()
configuration.api_key["authorization"] = token
configuration.api_key_prefix["authorization"] = "Bearer"
configuration.retries = False
pipelines = api.PipelineServiceApi(api.ApiClient(configuration))
"""


class TestKubeflow(EmulatorConformance):
    """The suite, by the client that is made of the API server's own definition."""

    name = "kubeflow"
    operation = "CreatePipeline"
    make = (
        f"{CLIENT}pipelines.pipeline_service_create_pipeline("
        "api.V2beta1Pipeline(display_name=sys.argv[1]))"
    )
    show = (
        f"{CLIENT}listed = pipelines.pipeline_service_list_pipelines(page_size=200).pipelines\n"
        "print(*(one.display_name for one in listed or ()), sep='\\n')"
    )
    throttled, unavailable = "Too many requests", "upstream connect error"
