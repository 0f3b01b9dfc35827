"""The network of jobs: private subnets, the endpoints that they need, no way to the internet."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pulumi
import pulumi_aws as aws

from landing_zone.component import Component, text
from landing_zone.policies import Place, Statement, raw_policy
from landing_zone.roles import ServiceRoleArgs, service_role

if TYPE_CHECKING:
    from collections.abc import Sequence

_HTTPS: Final = 443
_SUBNET_BITS: Final = 2
"""A quarter of the addresses for each zone, of which there are four at most."""


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What the network is made of.

    Attributes:
        place: Where it is.
        cidr: Its addresses.
        zones: How many availability zones it spans.
        bucket_arns: Buckets that jobs come to.
        managed_mlflow: Whether jobs speak to SageMaker's MLflow.
        log_group: Name of the log group of its traffic.
        log_retention_days: Days for which that is kept.
        key_arn: The key that encrypts it; None for AWS's own.
        role_path: The path of the zone's roles.
        boundary: ARN of the policy that bounds them.
    """

    place: Place
    cidr: str
    zones: int
    bucket_arns: pulumi.Input[Sequence[str]]
    managed_mlflow: bool
    log_group: str
    log_retention_days: int
    key_arn: pulumi.Input[str] | None
    role_path: str
    boundary: pulumi.Input[str]


class Network(Component[NetworkArgs]):
    """The network; `subnet_ids` and `security_group_ids` are those of the jobs."""

    def _make(self, name: str, args: NetworkArgs) -> None:
        self._name, self._args = name, args
        self._vpc = aws.ec2.Vpc(
            name,
            cidr_block=args.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags={"Name": name},
            opts=self.child(),
        )
        # What names no group gets this one, which lets nothing in or out.
        aws.ec2.DefaultSecurityGroup(
            name, vpc_id=self._vpc.id, ingress=[], egress=[], opts=self.child()
        )
        routes = aws.ec2.RouteTable(name, vpc_id=self._vpc.id, routes=[], opts=self.child())
        subnets = self._subnets(routes)
        self._jobs = self._group("jobs", "Jobs of Waterflow's pipelines")
        self._endpoints(routes, subnets)
        self._flow_log()
        self.subnet_ids = pulumi.Output.all(*[subnet.id for subnet in subnets])
        self.security_group_ids = pulumi.Output.all(self._jobs.id)
        self.register_outputs({"vpc": self._vpc.id, "subnets": self.subnet_ids})

    def _subnets(self, routes: aws.ec2.RouteTable) -> list[aws.ec2.Subnet]:
        options = pulumi.InvokeOptions(parent=self)
        # Local zones and those that an account has opted into may lack what SageMaker needs.
        names = aws.get_availability_zones_output(
            state="available",
            filters=[{"name": "opt-in-status", "values": ["opt-in-not-required"]}],
            opts=options,
        ).names
        quarters = ipaddress.ip_network(self._args.cidr).subnets(prefixlen_diff=_SUBNET_BITS)
        subnets: list[aws.ec2.Subnet] = []
        for number, quarter in zip(range(self._args.zones), quarters, strict=False):
            name = f"{self._name}-{number + 1}"
            subnet = aws.ec2.Subnet(
                name,
                vpc_id=self._vpc.id,
                cidr_block=str(quarter),
                availability_zone=names.apply(lambda zones, n=number: zones[n % len(zones)]),
                map_public_ip_on_launch=False,
                tags={"Name": name},
                opts=self.child(),
            )
            aws.ec2.RouteTableAssociation(
                name, subnet_id=subnet.id, route_table_id=routes.id, opts=self.child()
            )
            subnets.append(subnet)
        return subnets

    def _group(self, noun: str, description: str) -> aws.ec2.SecurityGroup:
        return aws.ec2.SecurityGroup(
            f"{self._name}-{noun}",
            vpc_id=self._vpc.id,
            description=description,
            opts=self.child(),
        )

    def _endpoints(self, routes: aws.ec2.RouteTable, subnets: Sequence[aws.ec2.Subnet]) -> None:
        args, region = self._args, self._args.place.region
        inside = self._group("endpoints", "Endpoints of AWS services, for jobs only")
        s3 = aws.ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self._vpc.id,
            service_name=f"com.amazonaws.{region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[routes.id],
            policy=pulumi.Output.from_input(args.bucket_arns).apply(self._buckets_only),
            opts=self.child(),
        )
        for service in self._services():
            aws.ec2.VpcEndpoint(
                f"{self._name}-{service.rpartition(f'{region}.')[2].replace('.', '-')}",
                vpc_id=self._vpc.id,
                service_name=service,
                vpc_endpoint_type="Interface",
                private_dns_enabled=True,
                subnet_ids=[subnet.id for subnet in subnets],
                security_group_ids=[inside.id],
                opts=self.child(),
            )
        jobs = self._jobs.id
        self._rule("out", "s3", jobs, prefix_list_id=s3.prefix_list_id, port=_HTTPS)
        self._rule("out", "endpoints", jobs, referenced_security_group_id=inside.id, port=_HTTPS)
        self._rule("in", "jobs", inside.id, referenced_security_group_id=jobs, port=_HTTPS)
        # The instances of one job speak to each other.
        for way in ("in", "out"):
            self._rule(way, "instances", jobs, referenced_security_group_id=jobs, port=None)

    def _services(self) -> list[str]:
        """Return what jobs speak to themselves: SageMaker pulls images and moves data for them."""
        region = self._args.place.region
        names = ["logs", "secretsmanager", "sts"]
        if self._args.managed_mlflow:
            names.append("sagemaker.api")
        services = [f"com.amazonaws.{region}.{name}" for name in names]
        if self._args.managed_mlflow:
            # https://docs.aws.amazon.com/vpc/latest/privatelink/aws-services-privatelink-support.html
            services.append(f"aws.sagemaker.{region}.experiments")
        return services

    def _rule(
        self, way: str, noun: str, group: pulumi.Input[str], *, port: int | None, **peer: Any
    ) -> None:
        kind = aws.vpc.SecurityGroupIngressRule if way == "in" else aws.vpc.SecurityGroupEgressRule
        kind(
            f"{self._name}-{way}-{noun}",
            security_group_id=group,
            ip_protocol="-1" if port is None else "tcp",
            from_port=port,
            to_port=port,
            **peer,
            opts=self.child(),
        )

    def _buckets_only(self, arns: Sequence[str]) -> str:
        """Return the gateway's policy: the zone's buckets, by identities of this account."""
        return text(
            raw_policy(
                {
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": [
                        "s3:AbortMultipartUpload",
                        "s3:DeleteObject",
                        "s3:GetBucketLocation",
                        "s3:GetObject",
                        "s3:GetObjectVersion",
                        "s3:ListBucket",
                        "s3:PutObject",
                    ],
                    "Resource": [arn for one in arns for arn in (one, f"{one}/*")],
                    "Condition": {
                        "StringEquals": {"aws:PrincipalAccount": self._args.place.account}
                    },
                }
            )
        )

    def _flow_log(self) -> None:
        args, name = self._args, f"{self._name}-traffic"
        group = aws.cloudwatch.LogGroup(
            name,
            name=args.log_group,
            retention_in_days=args.log_retention_days,
            kms_key_id=args.key_arn,
            opts=self.child(),
        )
        role = service_role(
            name,
            ServiceRoleArgs(
                description="Records the traffic of Waterflow's network",
                service="vpc-flow-logs",
                place=args.place,
                source=args.place.arn("ec2", "vpc-flow-log/*"),
                path=args.role_path,
                boundary=args.boundary,
            ),
            self.child(),
        )
        policy = role.allow(flow_log_statements(args.place, args.log_group))
        aws.ec2.FlowLog(
            name,
            vpc_id=self._vpc.id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            opts=self.child(depends_on=[policy]),
        )


def flow_log_statements(place: Place, group: str) -> list[Statement]:
    """Return what the record of traffic may do.

    Args:
        place: Where it is.
        group: The log group's name.
    """
    return [
        Statement(
            why="write the record of traffic",
            actions=("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"),
            resources=(place.arn("logs", f"log-group:{group}:*"),),
        ),
        Statement(
            why="find the record",
            actions=("logs:DescribeLogGroups",),
            resources=(place.arn("logs", "log-group:*"),),
        ),
    ]
