"""Mistakes that people make, one a function, and its resources called as the function."""

import json
from collections.abc import Callable

import pulumi
import pulumi_aws as aws

config = pulumi.Config()
TAGS = {"stack": "mistakes/dev", "environment": "dev"}
ROLE = "arn:aws:iam::123456789012:role/jobs"
MISTAKES: dict[str, Callable[[str], object]] = {}


def mistake(function: Callable[[str], object]) -> Callable[[str], object]:
    MISTAKES[function.__name__] = function
    return function


def allowing(actions: object, resources: object, **others: object) -> dict[str, object]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **others}


def document(*statements: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def role(name: str, trusted: dict[str, object], **others: object) -> aws.iam.Role:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", **trusted}
    return aws.iam.Role(name, assume_role_policy=document(statement), tags=TAGS, **others)


@mistake
def unknown_argument(name: str) -> object:
    return aws.s3.Bucket(name, buckett="data")


@mistake
def missing_argument(name: str) -> object:
    return aws.s3.BucketVersioning(name, bucket="data")


@mistake
def unknown_class(name: str) -> object:
    return aws.s3.Buckett(name)


@mistake
def wrong_type(name: str) -> object:
    return aws.cloudwatch.LogGroup(name, retention_in_days="thirty", tags=TAGS)


@mistake
def text_for_list(name: str) -> object:
    return aws.ec2.Instance(name, ami="ami-1", vpc_security_group_ids="sg-1", tags=TAGS)


@mistake
def misspelt_inside(name: str) -> object:
    scan = {"scan_on_push": True, "scan_on_pull": True}
    return aws.ecr.Repository(name, image_scanning_configuration=scan, tags=TAGS)


@mistake
def missing_inside(name: str) -> object:
    return aws.s3.BucketVersioning(name, bucket="data", versioning_configuration={})


@mistake
def bad_enum(name: str) -> object:
    return aws.ec2.Instance(name, ami="ami-1", instance_type="t3.mirco", tags=TAGS)


@mistake
def bad_value(name: str) -> object:
    return aws.ecr.Repository(name, image_tag_mutability="IMMUTABEL", tags=TAGS)


@mistake
def unknown_type(name: str) -> object:
    return pulumi.CustomResource("aws:s3/buckett:Buckett", name, {"bucket": "data"})


@mistake
def no_region(name: str) -> object:
    return aws.Provider(name, profile="deployer")


@mistake
def duplicate_name(name: str) -> object:
    aws.kms.Alias(name, target_key_id="key-1")
    return aws.kms.Alias(name, target_key_id="key-2")


@mistake
def missing_parent(name: str) -> object:
    class Keys(pulumi.ComponentResource):
        def __init__(self, inner: str) -> None:
            super().__init__("mistakes:index:Keys", f"{inner}-keys")
            self.alias = aws.kms.Alias(inner, target_key_id="key-1")
            self.register_outputs({})

    return Keys(name)


@mistake
def output_in_text(name: str) -> object:
    topic = aws.sns.Topic(f"{name}-topic", kms_master_key_id="alias/aws/sns", tags=TAGS)
    return aws.cloudwatch.MetricAlarm(
        name,
        comparison_operator="GreaterThanThreshold",
        evaluation_periods=1,
        alarm_description=f"told to {topic.arn}",
        tags=TAGS,
    )


@mistake
def secret_in_output(name: str) -> object:
    return pulumi.export(name, config.require("word"))


@mistake
def secret_in_environment(name: str) -> object:
    address = f"postgres://mlflow:{config.require('word')}@db.internal/mlflow"
    container = {"image": "123456789012.dkr.ecr.eu-central-1.amazonaws.com/mlflow:1"}
    return aws.sagemaker.Model(
        name,
        execution_role_arn=ROLE,
        primary_container={**container, "environment": {"BACKEND_STORE": address}},
    )


@mistake
def literal_secret(name: str) -> object:
    return aws.sagemaker.Model(
        name,
        execution_role_arn=ROLE,
        primary_container={"image": "x", "environment": {"DB_PASSWORD": "hunter2"}},
    )


@mistake
def public_bucket(name: str) -> object:
    return aws.s3.BucketPublicAccessBlock(
        name,
        bucket="data",
        block_public_acls=True,
        block_public_policy=False,
        ignore_public_acls=True,
        restrict_public_buckets=True,
    )


@mistake
def starred_permissions(name: str) -> object:
    policy = document(allowing("s3:*", "arn:aws:s3:::data/*"))
    return aws.iam.RolePolicy(name, role="jobs", policy=policy)


@mistake
def trust_of_all(name: str) -> object:
    return role(name, {"Principal": {"Service": "sagemaker.amazonaws.com"}})


@mistake
def no_rotation(name: str) -> object:
    return aws.kms.Key(name, tags=TAGS)


@mistake
def open_group(name: str) -> object:
    return aws.vpc.SecurityGroupIngressRule(
        name,
        security_group_id="sg-1",
        ip_protocol="tcp",
        from_port=22,
        to_port=22,
        cidr_ipv4="0.0.0.0/0",
    )


@mistake
def overlapping_subnets(name: str) -> object:
    aws.ec2.Subnet(f"{name}-other", vpc_id="vpc-1", cidr_block="10.0.0.0/16", tags=TAGS)
    return aws.ec2.Subnet(name, vpc_id="vpc-1", cidr_block="10.0.1.0/24", tags=TAGS)


@mistake
def role_for_key(name: str) -> object:
    return aws.cloudwatch.LogGroup(name, retention_in_days=30, kms_key_id=ROLE, tags=TAGS)


for each in config.require_object("mistakes"):
    MISTAKES[each](each)
