"""The toy cloud's emulator does what every emulator must."""

from waterflow.testing import EmulatorConformance

CLIENT = """
import json, os, sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
def send(body=None):
    data = None if body is None else json.dumps(body).encode()
    return json.load(opener.open(os.environ["TOY_ENDPOINT"] + "/jobs", data))
"""


class TestToy(EmulatorConformance):
    """The suite, for the toy."""

    name = "toy"
    operation = "CreateJob"
    make = f"{CLIENT}send({{'name': sys.argv[1], 'command': 'true'}})"
    show = f"{CLIENT}print(*send()['jobs'], sep='\\n')"
    throttled, unavailable = "HTTP Error 429", "HTTP Error 503"
