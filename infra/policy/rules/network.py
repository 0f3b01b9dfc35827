"""Ways in that are open to the whole internet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rules.subject import Subject, known, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

ANYWHERE = {"0.0.0.0/0", "::/0", "*", "Internet", "internet", "Any"}
EVERYBODY = {"allUsers", "allAuthenticatedUsers"}


# By type: where its rules are, if not in itself, and the properties that name who comes in.
SOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "aws:ec2/securityGroup:SecurityGroup": ("ingress", ("cidrBlocks", "ipv6CidrBlocks")),
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": (
        "ingress",
        ("cidrBlocks", "ipv6CidrBlocks"),
    ),
    "aws:ec2/securityGroupRule:SecurityGroupRule": ("", ("cidrBlocks", "ipv6CidrBlocks")),
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": ("", ("cidrIpv4", "cidrIpv6")),
    "azure-native:network:NetworkSecurityGroup": (
        "securityRules",
        ("sourceAddressPrefix", "sourceAddressPrefixes"),
    ),
    "azure-native:network:SecurityRule": ("", ("sourceAddressPrefix", "sourceAddressPrefixes")),
    "gcp:compute/firewall:Firewall": ("", ("sourceRanges",)),
    "gcp:sql/databaseInstance:DatabaseInstance": (
        "settings.ipConfiguration.authorizedNetworks",
        ("value",),
    ),
}


def open_ingress(subject: Subject) -> Iterator[str]:
    """Whether traffic, or a caller, may come from anywhere."""
    kind, get = subject.type, subject.get
    if kind in SOURCES:
        path, names = SOURCES[kind]
        for rule in listed(get(path)) if path else [subject.props]:
            if isinstance(rule, dict) and _lets_in(rule):
                yield from _from(rule, *names)
    elif kind == "azure-native:machinelearningservices:Compute":
        name = "properties.properties.remoteLoginPortPublicAccess"
        cluster = get("properties.computeType") == "AmlCompute"
        if cluster and known(get(name)) and get(name) != "Disabled":
            yield f"{name} is not Disabled: whoever has its key logs in from anywhere"
    elif kind.startswith(("gcp:cloudrunv2/serviceIam", "gcp:cloudrun/iam", "gcp:cloudfunctions")):
        members = {str(one) for one in [*listed(get("members")), *listed(get("member"))]}
        if members & EVERYBODY:
            yield f"{', '.join(sorted(members & EVERYBODY))} may call it: name who may"


def _lets_in(rule: dict[str, Any]) -> bool:
    """Whether a rule is one that allows, and of what comes in: some types have both kinds."""
    outward = rule.get("type") == "egress" or str(rule.get("direction", "")).lower() in {
        "outbound",
        "egress",
    }
    return not outward and rule.get("access") != "Deny" and not rule.get("denies")


def _from(rule: dict[str, Any], *names: str) -> Iterator[str]:
    for name in names:
        for source in listed(rule.get(name)):
            if source in ANYWHERE:
                yield f"{name} lets {source} in: name the networks"
