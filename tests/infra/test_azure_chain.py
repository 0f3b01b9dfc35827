"""Azure's landing zone from `pulumi up` to a run: its profile is all that the run is told."""

import sys

from waterflow_azureml.connections import AUTHORIZATION, Azure
from waterflow_azureml.emulator import Emulator, identity

from tests.infra import chain
from tests.providers.azureml.cloud import CLOUD

SUBSCRIPTION = "1a2b3c4d-0000-4000-8000-00000000005b"
ME = identity.principal(identity.USER)
"""Whoever submits has the submitters' role, as infra/README.md says."""
EXAMINED = {"workspace", "datastore", "your rights", "image", "mlflow"}
"""What doctor looks at on Azure, beside the jobs' identity and the clusters."""
PROVIDERS = {
    "StorageAccount": "Microsoft.Storage/storageAccounts",
    "Vault": "Microsoft.KeyVault/vaults",
    "UserAssignedIdentity": "Microsoft.ManagedIdentity/userAssignedIdentities",
}


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
            "RoleDefinition": [
                one for one in roles if one["properties"]["type"] == "CustomRole"
            ],
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


def test_a_stack_s_profile_is_all_that_a_run_needs(server, tmp_path):
    settings = {
        "subscription": SUBSCRIPTION,
        "submitters": [f"app:{ME}"],
        "machine_families": ["NCADSA100v4"],
        "spot": False,
        "mlflow_uri": server.url,
        "image_tag": "1",
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    }
    with Emulator(grace=2) as emulator, CLOUD.pointing(emulator):
        subscription = Subscription("waterflow-dev")
        with chain.landing_zone("azure", settings) as zone:
            outputs, profile = zone["outputs"], zone["outputs"]["profile"]["settings"]
            assert subscription.names() == zone["names"], "what the stack made, and nothing else"
            assert all(zone["names"].values())
            examined = {
                *EXAMINED,
                f"identity {profile['identity']}",
                *(f"cluster {name}" for name in profile["clusters"]),
            }
            runs = "azureml://datastores/waterflow/paths/waterflow/runs/"
            with chain.project(tmp_path / "shop", {}):
                checks, plan, run = chain.use(outputs, examined, runs)
            assert profile["account"] in checks["datastore"]["found"]
            look(subscription, outputs, plan, run)
            assert subscription.names() == zone["names"], "the run needed nothing else"
        assert not any(subscription.names().values()), "destroyed"


def look(subscription, outputs, plan, run):
    """See that the run is what the plan said, with what the profile names."""
    profile = outputs["profile"]["settings"]
    (workspace,) = subscription.workspaces()
    assert workspace["name"] == outputs["workspace"]
    jobs = {one["name"]: one for one in subscription.pages(f"{workspace['id']}/jobs")}
    assert jobs
    assert plan
    assert run
    assert profile
