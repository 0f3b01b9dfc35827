"""Azure's landing zone and the adapter agree: machines, and permissions action for action."""

import re

import pytest
from waterflow_azureml import machines as sizes
from waterflow_azureml import permissions as adapter

from tests.infra.conftest import part

zone = part("azure", "permissions")
machines = part("azure", "machines")
ROLES = {
    adapter.SUBMITTER: zone.OF_SUBMITTERS,
    adapter.JOBS: zone.OF_JOBS,
    adapter.SCHEDULER: zone.OF_SCHEDULERS,
}
BEYOND = {
    # What the roles allow beside what the adapter lists for them, each with its reason.
    adapter.SUBMITTER: {
        *adapter.ASSIGNING,  # a plan lists it where the profile names an identity, and it does
        "Microsoft.KeyVault/vaults/secrets/readMetadata/action",  # doctor sees secrets, not values
    },
    adapter.JOBS: set(),
    adapter.SCHEDULER: {*adapter.ASSIGNING},  # what they schedule runs in their name
}


def every(role):
    allowed = zone.allowed(ROLES[role])
    return {*allowed.actions, *allowed.data_actions}


@pytest.mark.parametrize("who", ROLES)
def test_the_roles_allow_what_the_adapter_lists_and_a_reviewed_few_more(who):
    rights = adapter.ROLES[who]
    assert every(who) == {*rights.actions, *rights.data, *BEYOND[who]}


@pytest.mark.parametrize("who", ROLES)
def test_what_is_of_data_is_told_apart(who):
    allowed = zone.allowed(ROLES[who])
    of_data = {*adapter.BLOBS, *adapter.SECRETS}
    assert not of_data.intersection(allowed.actions)
    rights = adapter.ROLES[who]
    assert set(rights.data) <= set(allowed.data_actions)


def test_no_role_names_a_star_or_a_right_over_rights():
    for name in dir(zone):
        if name.startswith("OF_"):
            allowed = zone.allowed(getattr(zone, name))
            for action in (*allowed.actions, *allowed.data_actions):
                assert "*" not in action, name
                assert "Authorization" not in action or action.endswith("/read"), name
                assert "listKeys" not in action, name


def test_machines():
    table = sizes.table()
    assert sorted(machines.sizes(machines.FAMILIES)) == sorted(table)
    for series, ones in machines.FAMILIES.items():
        families = {table[size].family for size in ones}
        assert len(families) == 1
        assert re.sub(r"^standard ?| ?family$", "", families.pop(), flags=re.IGNORECASE) == series
        assert list(ones) == sorted(ones, key=lambda one: (table[one].gpus, table[one].vcpu))
