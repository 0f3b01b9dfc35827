"""What is sent to the API server is what kfp's own client sends for the same, word for word."""

import json
import os
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import yaml
from waterflow_kubeflow.service import named

from tests.providers.kubeflow.cloud import CLOUD, project_at
from waterflow.cloud.parameters import native_parameters
from waterflow.cloud.provider import own
from waterflow.cloud.service import Start

pytestmark = pytest.mark.filterwarnings("ignore")
OURS_ALONE = {"description"}
"""Members by which runs are known again, which kfp's client has no argument for."""


class Recorder:
    """The requests that were sent, each as method, path, query and body."""

    def __init__(self, base):
        self._base, self.sent = f"{base}/apis/v2beta1/", []

    def note(self, method, url, query, body):
        address = urlsplit(url)
        parameters = dict(parse_qsl(address.query)) | dict(query or ())
        self.sent.append((
            method,
            url.partition("?")[0].removeprefix(self._base),
            {key: str(value) for key, value in parameters.items() if value not in (None, "")},
            json.loads(json.dumps(body)),
        ))  # fmt: skip


def plain(body):
    """Return a body whose numbers are texts, as JSON's form of protos may have them: 4 is 4.0."""
    if isinstance(body, dict):
        return {key: plain(value) for key, value in body.items()}
    if isinstance(body, list):
        return [plain(value) for value in body]
    if isinstance(body, (int, float)) and not isinstance(body, bool):
        return f"{body:g}"
    return body


@pytest.fixture(scope="module")
def sent(emulator, tmp_path_factory):
    """Ours and theirs, by what was sent for."""
    import kfp

    with CLOUD.pointing(emulator), pytest.MonkeyPatch.context() as patch:
        project = project_at(
            tmp_path_factory.mktemp("requests") / "project",
            service_account="runner",
            experiment="same",
            namespace="team-ml",
            node_selector={"pool": "cpu"},
        )
        token = Path(os.environ["KF_PIPELINES_SA_TOKEN_PATH"]).read_text()
        client = kfp.Client(host=emulator.endpoint, existing_token=token)
        ours, theirs = Recorder(emulator.endpoint), Recorder(emulator.endpoint)
        usual, rest = requests.Session.request, client._run_api.api_client.rest_client
        request = rest.request

        def our(self, method, url, **how):
            ours.note(method, url, how.get("params"), how.get("json"))
            return usual(self, method, url, **how)

        def their(method, url, **how):
            theirs.note(method, url, how.get("query_params"), how.get("body"))
            return request(method, url, **how)

        patch.setattr(requests.Session, "request", our)
        patch.setattr(rest, "request", their)
        experiment = client.create_experiment("same", namespace="team-ml")
        client.delete_experiment(experiment.experiment_id)  # as ours is to make it, too
        theirs.sent = [one for one in theirs.sent if one[0] == "POST"]
        names = send(project)
        send_as_kfp(client, ours, names, tmp_path_factory.mktemp("package") / "same.yaml")
        yield ours.sent, theirs.sent


def send(project):
    """Let our provider do what it does, and return the ids and names that it is about."""
    provider, build, compiled = project.compile("nightly", number=7)
    document, service = own(compiled), provider.service
    values = native_parameters(document, {"number": 7})
    version = provider.starter.deploy(build, document).version
    run = service.start(Start("same", document.pipeline, version, values, "t" * 64))
    list(service.executions(document.pipeline))
    service.steps(run)
    service.stop(run)
    schedules = provider.schedules()
    assert schedules.apply(build, compiled, {"number": 7}) == "created"
    (schedule,) = schedules.list()
    (recurring,) = schedules._all()
    for verb in (schedules.pause, schedules.resume, schedules.delete):
        verb(schedule.name)
    return {
        "run": run, "shown": service.display_name("same"), "experiment": service.experiment,
        "schedule": schedule.name, "recurring": recurring["recurring_run_id"],
        "root": f"s3://{project.bucket}/{project.prefix}/runs",
    }  # fmt: skip


def send_as_kfp(client, ours, names, package):
    """Let kfp's client do the same, with the very document."""
    (document,) = [
        body["pipeline_spec"]
        for method, path, _, body in ours.sent
        if (method, path) == ("POST", "runs")
    ]
    package.write_text(yaml.safe_dump_all([document["pipeline_spec"], document["platform_spec"]]))
    experiment, by_name = names["experiment"], {"page_size": 100}
    shared = {
        "params": {"number": 7}, "pipeline_package_path": str(package),
        "pipeline_root": names["root"], "service_account": "runner",
    }  # fmt: skip
    client.list_experiments(namespace="team-ml", filter=named("same"), **by_name)
    client.list_runs(
        experiment_id=experiment, filter=named(names["shown"]), sort_by="created_at asc", **by_name
    )
    run = client.run_pipeline(experiment, names["shown"], **shared)
    client.list_runs(experiment_id=experiment, sort_by="created_at desc", **by_name)
    client.get_run(names["run"])
    client.terminate_run(run.run_id)
    client.list_recurring_runs(experiment_id=experiment, filter=named(names["schedule"]), **by_name)
    client.list_recurring_runs(experiment_id=experiment, **by_name)
    recurring = client.create_recurring_run(
        experiment, names["schedule"], cron_expression="0 0 5 * * *", max_concurrency=10,
        no_catchup=True, **shared,
    )  # fmt: skip
    client.disable_recurring_run(recurring.recurring_run_id)
    client.enable_recurring_run(recurring.recurring_run_id)
    client.delete_recurring_run(recurring.recurring_run_id)


VERBS = [
    ("find the experiment", "GET", "experiments"),
    ("make the experiment", "POST", "experiments"),
    ("find or list runs", "GET", "runs"),
    ("create a run", "POST", "runs"),
    ("get a run", "GET", "runs/ID"),
    ("terminate a run", "POST", "runs/ID:terminate"),
    ("find or list recurring runs", "GET", "recurringruns"),
    ("create a recurring run", "POST", "recurringruns"),
    ("disable a recurring run", "POST", "recurringruns/ID:disable"),
    ("enable a recurring run", "POST", "recurringruns/ID:enable"),
    ("delete a recurring run", "DELETE", "recurringruns/ID"),
]


def requests_for(sent, method, path):
    """Return the different requests of a verb, in their order."""
    kept = []
    for one, place, query, raw in sent:
        body = plain(raw)
        kind, _, number = place.partition("/")
        verb = f"{kind}/ID{':' if ':' in number else ''}{number.partition(':')[2]}"
        if (one, verb if number else kind) == (method, path) and (query, body) not in kept:
            kept.append((query, body))
    return kept


@pytest.mark.parametrize(("verb", "method", "path"), VERBS, ids=[verb for verb, _, _ in VERBS])
def test_our_requests_are_those_of_kfps_client(sent, verb, method, path):
    ours, theirs = (requests_for(some, method, path) for some in sent)
    assert theirs, verb
    assert [
        (query, body and {key: value for key, value in body.items() if key not in OURS_ALONE})
        for query, body in ours
    ] == theirs


def test_no_request_of_ours_is_left_out(sent):
    known = {(method, path) for _, method, path in VERBS}
    for method, place, _, _ in sent[0]:
        if "://" not in place:  # the API server's, not the bucket's
            kind, _, number = place.partition("/")
            path = f"{kind}/ID" if number else kind
            path += f":{number.partition(':')[2]}" if ":" in number else ""
            assert (method, path) in known
