"""A workspace of the emulator as requests see it: plain HTTP at Azure's own host names."""

import itertools
import time

import requests
from waterflow_azureml.emulator import preparing

SCOPE = preparing.DEFAULT.id
STORE = "azureml://datastores/workspaceblobstore/paths"
ARM, API = "management.azure.com", "eastus.api.azureml.ms"
FINAL = ("Completed", "Failed", "Canceled")
_NUMBERS = itertools.count(1)


def until(condition, what="it", seconds=240.0):
    """Poll until a condition holds, and return what it gave."""
    end = time.monotonic() + seconds
    while not (outcome := condition()):
        assert time.monotonic() < end, f"{what} did not come about within {seconds} s"
        time.sleep(0.1)
    return outcome


class RefusedError(AssertionError):
    """A request was answered by an error.

    Args:
        answer: The answer.
    """

    def __init__(self, answer):
        self.status, body = answer.status_code, answer.json()
        self.code, self.message = body["error"]["code"], body["error"]["message"]
        super().__init__(f"{self.status} {self.code}: {self.message}")


class Workspace:
    """The emulator's usual workspace.

    Args:
        emulator: A started emulator.
    """

    def __init__(self, emulator):
        self.emulator, self._variables = emulator, emulator.environment
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.proxies = {"https": self._variables["HTTPS_PROXY"]}
        self._session.verify = self._variables["REQUESTS_CA_BUNDLE"]
        self._tokens = {}
        self.environment = self.put("environments/plain/versions/1", {"image": "python:3.11"})["id"]
        described = self("GET", "")["properties"]
        self.account = described["storageAccount"].rpartition("/")[2]
        self.container = f"azureml-blobstore-{described['workspaceId']}"

    # --- requests -------------------------------------------------------------------------------

    def token(self, resource):
        if resource not in self._tokens:
            answer = self._session.get(
                self._variables["MSI_ENDPOINT"],
                params={"resource": resource},
                headers={"Secret": self._variables["MSI_SECRET"]},
            )
            self._tokens[resource] = answer.json()["access_token"]
        return self._tokens[resource]

    def send(self, method, url, resource, **more):
        headers = {"Authorization": f"Bearer {self.token(resource)}", **more.pop("headers", {})}
        return self._session.request(method, url, headers=headers, **more)

    def __call__(self, method, path, body=None, host=ARM, **query):
        whole = path if path.startswith("/") else f"{SCOPE}/{path}".rstrip("/")
        answer = self.send(
            method,
            f"https://{host}{whole}",
            "https://management.azure.com",
            json=body,
            params={"api-version": "2024-01-01-preview", **query},
        )
        if answer.status_code >= 400:
            raise RefusedError(answer)
        return answer.json() if answer.content else {}

    def history(self, path, method="GET", body=None):
        return self(method, f"/history/v1.0{SCOPE}/{path}", body, host=API)

    # --- what jobs need -------------------------------------------------------------------------

    def put(self, path, properties):
        return self("PUT", path, {"properties": properties})

    def component(self, command, inputs=None, outputs=None, **spec):
        name = f"component{next(_NUMBERS)}"
        whole = {
            "name": name, "version": "1", "type": "command", "command": command,
            "environment": f"azureml:{self.environment}",
            "inputs": inputs or {}, "outputs": outputs or {}, **spec,
        }  # fmt: skip
        return self.put(f"components/{name}/versions/1", {"componentSpec": whole})["id"]

    def blob(self, path, data=None):
        """Write a blob of the default container, or read one; None for one that is not there."""
        url = f"https://{self.account}.blob.core.windows.net/{self.container}/{path}"
        resource = "https://storage.azure.com"
        if data is not None:
            headers = {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2023-11-03"}
            answer = self.send("PUT", url, resource, data=data, headers=headers)
            assert answer.status_code == 201, answer.text
            return url
        answer = self.send("GET", url, resource, headers={"x-ms-version": "2023-11-03"})
        return answer.content.decode() if answer.status_code == 200 else None

    # --- jobs -----------------------------------------------------------------------------------

    def job(self, properties, name=None):
        """Put a job, and return its name."""
        name = name or f"job-{next(_NUMBERS)}"
        self.put(f"jobs/{name}", {"experimentName": "tests", **properties})
        return name

    def command(self, command, name=None, **more):
        body = {"jobType": "Command", "command": command, "environmentId": self.environment}
        return self.job({**body, **more}, name)

    def pipeline(self, jobs, name=None, **more):
        return self.job({"jobType": "Pipeline", "jobs": jobs, **more}, name)

    def run(self, name):
        return self.history(f"runs/{name}")

    def wait(self, name, statuses=FINAL):
        """Wait for a status, and return the run."""

        def reached():
            run = self.run(name)
            assert run["status"] in statuses or run["status"] not in FINAL, run["error"]
            return run if run["status"] in statuses else None

        return until(reached, f"{statuses} of {name}")

    def children(self, name):
        """Return the children of a run by the names of their steps."""
        return {run["displayName"]: run for run in self.history(f"runs/{name}/children")["value"]}

    def logs(self, name):
        """Return the texts of a run's logs by their names."""
        files = self.history(f"runs/{name}/details")["logFiles"]
        return {key: self._session.get(url).content.decode() for key, url in files.items()}

    def log(self, name):
        return self.logs(name)["user_logs/std_log.txt"]


def step(component, inputs=None, **more):
    """Return a step of a pipeline, as the SDK sends one."""
    return {
        "type": "command",
        "componentId": component,
        "inputs": {
            name: {"job_input_type": "literal", "value": str(value)}
            if not isinstance(value, dict)
            else value
            for name, value in (inputs or {}).items()
        },
        **more,
    }


def folder(uri, **more):
    """Return an input of a job that is a folder."""
    return {"jobInputType": "uri_folder", "uri": uri, **more}


def literal(value):
    """Return an input of a job that is a value."""
    return {"jobInputType": "literal", "value": str(value)}
