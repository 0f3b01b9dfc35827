"""What a plan says of a pipeline on Vertex AI: machines, prices, notes, limits, permissions."""

from waterflow_vertex import permissions
from waterflow_vertex.provider import VertexProvider

from tests.providers.builds import ROOT, build, function, pipeline
from tests.providers.vertex.builds import container, profile
from waterflow import spec

ACCOUNT = "jobs@ml-project.iam.gserviceaccount.com"
OTHER = "other@ml-project.iam.gserviceaccount.com"
GRAPH = pipeline(
    function("load", environment=spec.Environment(secrets={"KEY": "api-key"})),
    function("fit", {"x": "load"}, resources=spec.Resources(cpu=16, memory=100 * 2**30)),
    function("many", {"x": "load"}, resources=spec.Resources(cpu=8, instances=4, spot=True)),
    function("tune", {"x": "load"}, resources=spec.Resources(gpu=spec.Gpu(1, "nvidia-l4"))),
    function("tell", {"x": "fit"}),
    container("tool", ("run",), timeout=60.0),
)
SETTINGS = {"service_account": ACCOUNT, "steps": {"tell": {"service_account": OTHER}}}
ROWS = [
    ("load", "container", "e2-standard-4", ()),
    ("fit", "container", "e2-highmem-16", ()),
    ("many", "customJob", "e2-standard-8",
     ("a custom job: 4 machines, spot machines",
      "on spot machines: Google takes 60% to 91% off the price shown")),
    ("tune", "customJob", "g2-standard-4", ("a custom job: no container has 1 nvidia-l4",)),
    ("tell", "customJob", "e2-highmem-2", ("a custom job: a service account of its own",)),
    ("tool", "customJob", "e2-highmem-2", ("a custom job: a program's timeout",)),
]  # fmt: skip
NOTES = (
    "prices on demand of us-central1, 2025-10-01; those of europe-west4 differ",
    "for a container Vertex AI finds a machine that fits; shown is the cheapest that does",
)


def _planned():
    provider = VertexProvider(ROOT, profile(SETTINGS | {"region": "europe-west4"}))
    inputs = build(GRAPH, uri="https://mlflow-1.run.app")
    return provider, inputs, provider.compile(inputs)


def test_the_rows_of_a_plan():
    provider, inputs, document = _planned()
    assert [(row.step, row.kind, row.machine, row.notes) for row in document.jobs] == ROWS
    assert all(row.price for row in document.jobs)
    assert document.notes == NOTES
    assert provider.check(inputs, document) == []
    assert {limit.what: limit.step for limit in provider.limits(document)} == {
        "bytes of the pipeline job": None,
        "bytes of one argument of a job": "tool",
        "machines of a job": "many",
        "seconds of a custom job": "tool",
    }


def test_what_must_be_allowed():
    provider, _, document = _planned()
    needed = provider.permissions(document)
    who = {permission.who for permission in needed}
    assert who == {"submitter", f"service account {ACCOUNT}", f"service account {OTHER}"}
    roles = permissions.ROLES
    for permission in needed:
        role = permissions.SUBMITTER if permission.who == "submitter" else permissions.JOBS
        most = {*roles[role], *(roles[permissions.SCHEDULER] if role != permissions.JOBS else ())}
        assert set(permission.actions) <= most, permission
        assert permission.why
        assert permission.resources
    acting = [p.resources for p in needed if p.actions == permissions.ACTING]
    assert acting == [(f"service account {ACCOUNT}",), (f"service account {OTHER}",)]
    assert any(p.actions == permissions.SECRETS for p in needed)


def test_roles_are_custom_roles_as_gcloud_takes_them():
    for name, actions in permissions.ROLES.items():
        role = permissions.role_definition(f"Waterflow {name}", actions)
        assert role["includedPermissions"] == sorted(set(actions))
        assert all(action.count(".") == 2 for action in role["includedPermissions"])
