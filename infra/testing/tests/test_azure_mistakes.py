"""Mistakes planted on Azure: which of them a preview tells, and which layer tells it."""

from pathlib import Path

import pytest
from standin import Diagnostic, PolicyPack, Stack
from standin.stack import interpreter
from suites.mistakes import diagnosed, told_by_its_layer

STACK = Path(__file__).parent / "stacks" / "azure_mistakes"
AZURE = Path(__file__).parents[2] / "azure"

# By mistake: the layer that tells it, and words of the message. The last ones nothing tells.
CAUGHT = {
    "unknown_argument": ("sdk", "unexpected keyword argument 'allow_keys'"),
    "wrong_type": ("schema", "retentionInDays: expected a value of type integer, not string"),
    "text_for_list": ("schema", "audiences: expected a list"),
    "misspelt_inside": ("schema", "properties.enable_rbac: there is no such property"),
    "missing_inside": ("schema", "properties.tenantId: this property is required"),
    "bad_enum": ("schema", "sku.name: 'Standard_LSR' is none of Standard_LRS"),
    "duplicate_name": ("engine", "Duplicate resource URN"),
    "shared_key": ("policy", "allowSharedKeyAccess has to be False"),
    "public_account": ("policy", "allowBlobPublicAccess has to be False"),
    "old_tls": ("policy", "minimumTlsVersion is below TLS1_2"),
    "kept_for_ever": ("policy", "it has no ManagementPolicy"),
    "no_purge_protection": ("policy", "properties.enablePurgeProtection is not set"),
    "administrator": ("policy", "adminUserEnabled has to be False"),
    "contributor": ("policy", "it gives Contributor"),
    "whole_subscription": ("policy", "it reaches all of /subscriptions/1"),
    "starred_role": ("policy", "workspaces/*/read' holds a star"),
    "every_branch": ("policy", "subject does not name one workflow"),
    "waiting_gpus": ("policy", "minNodeCount is 1: GPU machines would run"),
    "open_login": ("policy", "remoteLoginPortPublicAccess is not Disabled"),
    "open_group": ("policy", "sourceAddressPrefix lets * in"),
    "no_tags": ("policy", "tags lack stack, environment"),
}
MISSED = {
    "versions_and_folders": "Azure alone knows that folders and versions do not go together",
    "capitals": "to the SDK one text is as good as another for a name",
}


@pytest.fixture(scope="module")
def diagnostics(policies: PolicyPack) -> dict[str, list[Diagnostic]]:
    return diagnosed(Stack(STACK, policies=policies, python=interpreter(AZURE)), CAUGHT, MISSED)


@pytest.mark.parametrize("name", CAUGHT)
def test_a_mistake_is_told_by_its_layer(
    diagnostics: dict[str, list[Diagnostic]], name: str
) -> None:
    told_by_its_layer(diagnostics[name], *CAUGHT[name])


@pytest.mark.parametrize("name", MISSED)
def test_what_is_not_told_is_known(diagnostics: dict[str, list[Diagnostic]], name: str) -> None:
    assert not diagnostics[name], f"it is told now: move it to the others ({MISSED[name]})"


def test_the_readme_says_how_many() -> None:
    readme = (STACK.parents[2] / "README.md").read_text()
    assert f"{len(CAUGHT)} of {len(CAUGHT) + len(MISSED)} that are Azure's own" in readme
