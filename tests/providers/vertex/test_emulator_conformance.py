"""Vertex AI's emulator does what every emulator must."""

from waterflow.testing import EmulatorConformance

# Google's clients of Vertex AI take seconds to import, which is done a hundred times here: the
# session beneath them, and its credentials, do the same. test_clients.py has the clients.
CLIENT = """
import sys
import google.auth
from google.auth.transport.requests import AuthorizedSession
scopes = ["https://www.googleapis.com/auth/cloud-platform"]
session = AuthorizedSession(google.auth.default(scopes=scopes)[0])
URL = ("https://us-central1-aiplatform.googleapis.com/v1/projects/waterflow/locations/us-central1"
       "/endpoints")
"""


class TestVertex(EmulatorConformance):
    """The suite, by the vendor's session."""

    name = "vertex"
    operation = "CreateEndpoint"
    make = f"{CLIENT}session.post(URL, json={{'displayName': sys.argv[1]}}).raise_for_status()"
    show = (
        f"{CLIENT}held = session.get(URL).json().get('endpoints', ())\n"
        "print(*(one['displayName'] for one in held))"
    )
    throttled, unavailable = "429 Client Error", "503 Server Error"
