"""Azure ML's emulator does what every emulator must."""

from waterflow.testing import EmulatorConformance

CLIENT = """
import sys
from azure.core import PipelineClient
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core.rest import HttpRequest
from azure.identity import DefaultAzureCredential
scope = "https://management.azure.com/.default"
policy = BearerTokenCredentialPolicy(DefaultAzureCredential(), scope)
client = PipelineClient("https://management.azure.com", policies=[policy])
group = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/waterflow"
kind = f"{group}/providers/Microsoft.MachineLearningServices/workspaces/waterflow/environments"
def send(method, name="", body=None):
    url = f"https://management.azure.com{kind}{name}?api-version=2023-04-01-preview"
    answer = client.send_request(HttpRequest(method, url, json=body))
    answer.raise_for_status()
    return answer.json()
"""


class TestAzureML(EmulatorConformance):
    """The suite, by azure-core."""

    name = "azureml"
    operation = "environments.versions.create"
    make = (
        f"{CLIENT}send('PUT', f'/{{sys.argv[1]}}/versions/1', {{'properties': {{'image': 'a:1'}}}})"
    )
    show = f"{CLIENT}print(*(one['name'] for one in send('GET')['value']), sep='\\n')"
    throttled, unavailable = "TooManyRequests", "ServiceUnavailable"
