"""Vertex AI's emulator does what every emulator must."""

from waterflow.testing import EmulatorConformance

CLIENT = """
import sys
from waterflow_vertex.emulator import sdk
for part in ("", ".types", ".services"):  # the whole package takes seconds to import
    sdk.stand_in(f"google.cloud.aiplatform_v1{part}")
from google.cloud.aiplatform_v1.services.endpoint_service.client import EndpointServiceClient
host = "https://us-central1-aiplatform.googleapis.com"
client = EndpointServiceClient(transport="rest", client_options={"api_endpoint": host})
PARENT = "projects/waterflow/locations/us-central1"
"""


class TestVertex(EmulatorConformance):
    """The suite, by the vendor's client."""

    name = "vertex"
    operation = "CreateEndpoint"
    make = f"{CLIENT}client.create_endpoint(parent=PARENT, endpoint=dict(display_name=sys.argv[1]))"
    show = f"{CLIENT}print(*(one.display_name for one in client.list_endpoints(parent=PARENT)))"
    throttled, unavailable = "TooManyRequests", "ServiceUnavailable"
