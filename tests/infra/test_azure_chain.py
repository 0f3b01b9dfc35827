"""Azure's landing zone from `pulumi up` to a run: its profile is all that the run is told."""

import sys

from waterflow_azureml.connections import AUTHORIZATION, Azure
from waterflow_azureml.emulator import Emulator, identity
from waterflow_azureml.emulator.calls import RECORD
from waterflow_azureml.emulator.workspaces import ACCOUNTS, IDENTITIES, VAULTS

from tests.infra import azure_access, chain
from tests.providers.azureml.cloud import CLOUD

SUBSCRIPTION = "1a2b3c4d-0000-4000-8000-00000000005b"
ME = identity.principal(identity.USER)
"""Whoever submits has the submitters' role, as infra/README.md says."""
EXAMINED = {"workspace", "datastore", "your rights", "image", "mlflow"}
"""What doctor looks at on Azure, beside the jobs' identity and the clusters."""
ML = "Microsoft.MachineLearningServices/workspaces"
BLOBS = f"{ACCOUNTS}/blobServices/containers/blobs"
PROVIDERS = {"StorageAccount": ACCOUNTS, "Vault": VAULTS, "UserAssignedIdentity": IDENTITIES}


class Subscription:
    """A subscription: what it has by type of resource, the types being Pulumi's."""

    def __init__(self, group):
        self.group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}"
        self.azure = Azure(SUBSCRIPTION, group, "none")

    def pages(self, path, version="2024-04-01"):
        return list(self.azure.pages("List", path, version=version, query={}))

    def names(self):
        groups = self.pages(f"/subscriptions/{SUBSCRIPTION}/resourceGroups")
        access = f"{self.group}/providers/Microsoft.Authorization"
        roles = self.pages(f"{access}/roleDefinitions", AUTHORIZATION)
        names = {
            "ResourceGroup": groups,
            **{k: self.pages(f"{self.group}/providers/{one}") for k, one in PROVIDERS.items()},
            "RoleDefinition": [one for one in roles if one["properties"]["type"] == "CustomRole"],
            "RoleAssignment": self.pages(f"{access}/roleAssignments", AUTHORIZATION),
            "Compute": [
                one
                for workspace in self.workspaces()
                for one in self.pages(f"{workspace['id']}/computes")
            ],
        }
        return {kind: sorted(one["name"] for one in ones) for kind, ones in names.items()}

    def workspaces(self):
        return self.pages(f"{self.group}/providers/Microsoft.MachineLearningServices/workspaces")


def test_a_stack_s_profile_is_all_that_a_run_needs(server, tmp_path, monkeypatch):
    settings = {
        "subscription": SUBSCRIPTION,
        "submitters": [f"app:{ME}"],
        "machine_families": ["NCADSA100v4"],
        "spot": False,
        "mlflow_uri": server.url,
        "image_tag": "1",
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    record = tmp_path / "calls"
    monkeypatch.setenv(RECORD, str(record))
    with Emulator(grace=2) as emulator, CLOUD.pointing(emulator):
        subscription = Subscription("waterflow-dev")
        with chain.landing_zone("azure", settings) as zone:
            outputs, profile = zone["outputs"], zone["outputs"]["profile"]["settings"]
            assert subscription.names() == zone["names"], "what the stack made, and nothing else"
            assert all(zone["names"].values())
            deployers = len(chain.calls(record))
            examined = {
                *EXAMINED,
                f"identity {profile['identity']}",
                *(f"cluster {name}" for name in profile["clusters"]),
            }
            runs = "azureml://datastores/waterflow/paths/waterflow/runs/"
            with chain.project(tmp_path / "shop", {}):
                checks, plan, run = chain.use(outputs, examined, runs)
            assert profile["account"] in checks["datastore"]["found"]
            called = chain.calls(record, deployers)
            look(subscription, outputs, plan, run)
            hold(subscription, profile, called)
            assert subscription.names() == zone["names"], "the run needed nothing else"
        assert not any(subscription.names().values()), "destroyed"


def look(subscription, outputs, plan, run):
    """See that the run is what the plan said, with what the profile names."""
    profile = outputs["profile"]["settings"]
    (workspace,) = subscription.workspaces()
    assert workspace["name"] == outputs["workspace"]
    (job,) = subscription.pages(f"{workspace['id']}/jobs")
    job = job["properties"]
    assert job["displayName"] == "waterflow-sums"
    assert job["tags"].items() >= profile["tags"].items()
    machines = {one["name"]: one["machine"] for one in plan["steps"]}
    assert {one["name"] for one in run["steps"]} == machines.keys() == job["jobs"].keys()
    for name, node in job["jobs"].items():
        cluster = profile["clusters"][node["computeId"].rpartition("/")[2]]
        assert cluster["machine"] == machines[name]
        assert node["identity"] == {"identity_type": "Managed", "client_id": profile["identity"]}
        component = subscription.azure.arm("Get", "GET", node["componentId"])
        environment = component["properties"]["componentSpec"]["environment"]
        image = subscription.azure.arm("Get", "GET", environment.removeprefix("azureml:"))
        assert image["properties"]["image"] == profile["image"]


def hold(subscription, profile, called):
    """See that the roles that the stack has given allow what was called, and not much else."""
    access = f"{subscription.group}/providers/Microsoft.Authorization"
    held = azure_access.grants(
        subscription.pages(f"{access}/roleAssignments", AUTHORIZATION),
        subscription.pages(f"{access}/roleDefinitions", AUTHORIZATION),
    )
    (jobs,) = (
        one["properties"]["principalId"]
        for one in subscription.pages(f"{subscription.group}/providers/{IDENTITIES}", "2023-01-31")
        if one["properties"]["clientId"] == profile["identity"]
    )
    holders = {"submitter": ME, "jobs": jobs}
    assert "submitter" in {call["principal"] for call in called} <= holders.keys()
    (own,) = (
        one["name"]
        for one in subscription.pages(f"{subscription.group}/providers/{VAULTS}")
        if one["name"] != profile["vault"]
    )
    data, secret = f"{ACCOUNTS}/{profile['account']}", f"{VAULTS}/secrets/getSecret/action"
    moved = [  # what Azure does for jobs, by their identity
        *(_call("jobs", f"{BLOBS}/{verb}", f"{data}/waterflow") for verb in ("read", "write")),
        _call("jobs", f"{BLOBS}/read", f"{data}/azureml-blobstore-1a2b"),
        _call("jobs", secret, f"{VAULTS}/{profile['vault']}"),
    ]
    beyond = [
        _call("jobs", f"{ML}/jobs/write", f"{subscription.group}/providers/{ML}/x", data=False),
        _call("jobs", f"{BLOBS}/read", f"{data}/others"),
        _call("jobs", f"{BLOBS}/read", f"{ACCOUNTS}/another/waterflow"),
        _call("jobs", secret, f"{VAULTS}/{own}"),
        _call("submitter", secret, f"{VAULTS}/{profile['vault']}"),
        _call("submitter", f"{BLOBS}/delete", f"{data}/others"),
    ]
    for asking, lacking in ((called, 0), (moved, 0), (beyond, len(beyond))):
        refused = azure_access.refused(asking, held, holders, subscription.group)
        assert len(refused) == lacking, refused


def _call(principal, action, resource, *, data=True):
    return {"principal": principal, "action": action, "data": data, "resource": resource}
