"""Google Cloud's landing zone and the adapter agree: machines, and permissions one for one."""

import pytest
from waterflow_vertex import machines as types
from waterflow_vertex import permissions as adapter

from tests.infra.conftest import part

zone = part("gcp", "permissions")
machines = part("gcp", "machines")
ROLES = {
    adapter.SUBMITTER: zone.OF_SUBMITTERS,
    adapter.JOBS: zone.OF_JOBS,
    adapter.SCHEDULER: zone.OF_SCHEDULERS,
}
SCOPES = {
    "bucket": "storage.",
    "account": "iam.serviceAccounts.",
    "secrets": "secretmanager.",
    "registry": "artifactregistry.",
    "tracking": "run.",
}
"""Where a role is given -> how the permissions begin that are given there, and nowhere wider."""


@pytest.mark.parametrize("who", ROLES)
def test_the_roles_allow_what_the_adapter_lists_and_nothing_else(who):
    assert set(zone.allowed(ROLES[who])) == set(adapter.ROLES[who])


def test_each_permission_is_given_where_it_is_needed_and_no_wider():
    for name in [one for one in dir(zone) if one.startswith("OF_")]:
        permissions = getattr(zone, name)
        for scope, start in SCOPES.items():
            assert all(one.startswith(start) for one in zone.allowed(permissions, scope)), name
        project = zone.allowed(permissions, "project")
        assert not [one for one in project if one.startswith(tuple(SCOPES.values()))], name


def test_no_role_names_a_star_or_a_right_over_rights():
    for name in [one for one in dir(zone) if one.startswith("OF_")]:
        for permission in zone.allowed(getattr(zone, name)):
            assert "*" not in permission, name
            assert "setIamPolicy" not in permission, name
            assert "serviceAccountKeys" not in permission, name


def test_machines():
    families = {}
    for name, machine in types.table().items():
        families.setdefault(machine.family, set()).add(name)
    assert {family: set(ones) for family, ones in machines.FAMILIES.items()} == families
