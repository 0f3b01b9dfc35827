"""Vertex AI's emulator does what every emulator must."""

from waterflow.testing import EmulatorConformance

CLIENT = """
import sys
from google.cloud import aiplatform_v1 as v1
host = "https://us-central1-aiplatform.googleapis.com"
client = v1.ScheduleServiceClient(transport="rest", client_options={"api_endpoint": host})
PARENT = "projects/waterflow/locations/us-central1"
"""


class TestVertex(EmulatorConformance):
    """The suite, by the vendor's client."""

    name = "vertex"
    operation = "CreateSchedule"
    make = f"{CLIENT}client.create_schedule(parent=PARENT, schedule=dict(display_name=sys.argv[1]))"
    show = f"{CLIENT}print(*(one.display_name for one in client.list_schedules(parent=PARENT)))"
    throttled, unavailable = "TooManyRequests", "ServiceUnavailable"
