"""How each type of AWS resource is made, read, changed and removed through AWS's own operations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from standin.carriers.aws_base import Client, Kind, tag_list, text
from standin.carriers.aws_storage import BESIDE, Bucket

if TYPE_CHECKING:
    from standin.values import Properties


class Role(Kind):
    """A role and whom it trusts."""

    service = "iam"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        optional = {
            "Path": inputs.get("path"),
            "Description": inputs.get("description"),
            "MaxSessionDuration": inputs.get("maxSessionDuration"),
            "PermissionsBoundary": inputs.get("permissionsBoundary"),
            "Tags": tag_list(inputs.get("tags")),
        }
        role = client.create_role(
            RoleName=outputs["name"],
            AssumeRolePolicyDocument=text(inputs["assumeRolePolicy"]),
            **{name: value for name, value in optional.items() if value},
        )["Role"]
        return {"arn": role["Arn"], "uniqueId": role["RoleId"]}

    def read(self, client: Client, outputs: Properties) -> Properties:
        role = client.get_role(RoleName=outputs["name"])["Role"]
        trust = role["AssumeRolePolicyDocument"]
        same = json.loads(text(outputs["assumeRolePolicy"])) == trust
        return {} if same else {"assumeRolePolicy": json.dumps(trust)}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        name = outputs["name"]
        client.update_assume_role_policy(
            RoleName=name, PolicyDocument=text(inputs["assumeRolePolicy"])
        )
        client.update_role(RoleName=name, Description=inputs.get("description", ""))
        if inputs.get("permissionsBoundary"):
            client.put_role_permissions_boundary(
                RoleName=name, PermissionsBoundary=inputs["permissionsBoundary"]
            )
        return {}

    def delete(self, client: Client, outputs: Properties) -> None:
        client.delete_role(RoleName=outputs["name"])


class RolePolicy(Kind):
    """What a role may do, written in the role itself."""

    service = "iam"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        client.put_role_policy(
            RoleName=outputs["role"],
            PolicyName=outputs["name"],
            PolicyDocument=text(inputs["policy"]),
        )
        return {}

    def read(self, client: Client, outputs: Properties) -> Properties:
        answer = client.get_role_policy(RoleName=outputs["role"], PolicyName=outputs["name"])
        same = json.loads(text(outputs["policy"])) == answer["PolicyDocument"]
        return {} if same else {"policy": json.dumps(answer["PolicyDocument"])}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        return self.create(client, inputs, outputs)

    def delete(self, client: Client, outputs: Properties) -> None:
        client.delete_role_policy(RoleName=outputs["role"], PolicyName=outputs["name"])


class Policy(Kind):
    """A policy that several roles may have."""

    service = "iam"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        policy = client.create_policy(
            PolicyName=outputs["name"],
            Path=inputs.get("path", "/"),
            PolicyDocument=text(inputs["policy"]),
            Description=inputs.get("description", ""),
        )["Policy"]
        return {"id": policy["Arn"], "arn": policy["Arn"], "policyId": policy["PolicyId"]}

    def read(self, client: Client, outputs: Properties) -> Properties:
        client.get_policy(PolicyArn=outputs["arn"])
        return {}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        arn = outputs["arn"]
        client.create_policy_version(
            PolicyArn=arn, PolicyDocument=text(inputs["policy"]), SetAsDefault=True
        )
        for one in client.list_policy_versions(PolicyArn=arn)["Versions"]:
            if not one["IsDefaultVersion"]:  # AWS keeps five at most
                client.delete_policy_version(PolicyArn=arn, VersionId=one["VersionId"])
        return {}

    def delete(self, client: Client, outputs: Properties) -> None:
        for one in client.list_policy_versions(PolicyArn=outputs["arn"])["Versions"]:
            if not one["IsDefaultVersion"]:
                client.delete_policy_version(PolicyArn=outputs["arn"], VersionId=one["VersionId"])
        client.delete_policy(PolicyArn=outputs["arn"])


class Attachment(Kind):
    """That a role has a policy."""

    service = "iam"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        client.attach_role_policy(RoleName=inputs["role"], PolicyArn=inputs["policyArn"])
        return {}

    def read(self, client: Client, outputs: Properties) -> Properties:
        client.get_role(RoleName=outputs["role"])
        return {}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        return self.create(client, inputs, outputs)

    def delete(self, client: Client, outputs: Properties) -> None:
        client.detach_role_policy(RoleName=outputs["role"], PolicyArn=outputs["policyArn"])


class Key(Kind):
    """A key; AWS chooses its number."""

    service = "kms"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        optional = {"Policy": inputs.get("policy"), "Description": inputs.get("description")}
        tags = [
            {"TagKey": one["Key"], "TagValue": one["Value"]} for one in tag_list(inputs.get("tags"))
        ]
        key = client.create_key(
            Tags=tags, **{name: text(value) for name, value in optional.items() if value}
        )["KeyMetadata"]
        return {"id": key["KeyId"], "keyId": key["KeyId"], "arn": key["Arn"]}

    def read(self, client: Client, outputs: Properties) -> Properties:
        key = client.describe_key(KeyId=outputs["keyId"])["KeyMetadata"]
        return {} if key["KeyState"] == "Enabled" else {"isEnabled": False}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        if inputs.get("policy"):
            client.put_key_policy(
                KeyId=outputs["keyId"], PolicyName="default", Policy=text(inputs["policy"])
            )
        client.update_key_description(
            KeyId=outputs["keyId"], Description=inputs.get("description", "")
        )
        return {}

    def delete(self, client: Client, outputs: Properties) -> None:
        days = outputs.get("deletionWindowInDays") or 30
        client.schedule_key_deletion(KeyId=outputs["keyId"], PendingWindowInDays=days)


class Alias(Kind):
    """A name of a key."""

    service = "kms"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        client.create_alias(AliasName=outputs["name"], TargetKeyId=inputs["targetKeyId"])
        return {"targetKeyArn": client.describe_key(KeyId=outputs["name"])["KeyMetadata"]["Arn"]}

    def read(self, client: Client, outputs: Properties) -> Properties:
        client.describe_key(KeyId=outputs["name"])
        return {}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        client.update_alias(AliasName=outputs["name"], TargetKeyId=inputs["targetKeyId"])
        return {}

    def delete(self, client: Client, outputs: Properties) -> None:
        client.delete_alias(AliasName=outputs["name"])


class Repository(Kind):
    """A repository of images."""

    service = "ecr"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        optional: dict[str, Any] = {
            "imageTagMutability": inputs.get("imageTagMutability"),
            "imageScanningConfiguration": inputs.get("imageScanningConfiguration"),
            "tags": tag_list(inputs.get("tags")),
        }
        for one in inputs.get("encryptionConfigurations", []):
            optional["encryptionConfiguration"] = one
        repository = client.create_repository(
            repositoryName=outputs["name"], **{k: one for k, one in optional.items() if one}
        )["repository"]
        return {
            "arn": repository["repositoryArn"],
            "repositoryUrl": repository["repositoryUri"],
            "registryId": repository["registryId"],
        }

    def read(self, client: Client, outputs: Properties) -> Properties:
        answer = client.describe_repositories(repositoryNames=[outputs["name"]])
        mutability = answer["repositories"][0].get("imageTagMutability")
        stated = "imageTagMutability" in outputs and mutability
        return {"imageTagMutability": mutability} if stated else {}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        client.put_image_tag_mutability(
            repositoryName=outputs["name"],
            imageTagMutability=inputs.get("imageTagMutability", "MUTABLE"),
        )
        return {}

    def delete(self, client: Client, outputs: Properties) -> None:
        client.delete_repository(
            repositoryName=outputs["name"], force=bool(outputs.get("forceDelete"))
        )


class ImageLifecycle(Kind):
    """When images expire."""

    service = "ecr"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        client.put_lifecycle_policy(
            repositoryName=inputs["repository"], lifecyclePolicyText=text(inputs["policy"])
        )
        return {}

    def read(self, client: Client, outputs: Properties) -> Properties:
        client.get_lifecycle_policy(repositoryName=outputs["repository"])
        return {}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        return self.create(client, inputs, outputs)

    def delete(self, client: Client, outputs: Properties) -> None:
        client.delete_lifecycle_policy(repositoryName=outputs["repository"])


class LogGroup(Kind):
    """A group of logs and how long they are kept."""

    service = "logs"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        optional = {"kmsKeyId": inputs.get("kmsKeyId"), "tags": inputs.get("tags")}
        client.create_log_group(
            logGroupName=outputs["name"], **{k: one for k, one in optional.items() if one}
        )
        return self.update(client, inputs, outputs)

    def read(self, client: Client, outputs: Properties) -> Properties:
        name = outputs["name"]
        groups = client.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        group = next((one for one in groups if one["logGroupName"] == name), None)
        if group is None:
            client.list_tags_log_group(logGroupName=name)  # for AWS's own error
        return {"retentionInDays": (group or {}).get("retentionInDays", 0)}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        if inputs.get("retentionInDays"):
            client.put_retention_policy(
                logGroupName=outputs["name"], retentionInDays=inputs["retentionInDays"]
            )
        else:
            client.delete_retention_policy(logGroupName=outputs["name"])
        return {}

    def delete(self, client: Client, outputs: Properties) -> None:
        client.delete_log_group(logGroupName=outputs["name"])


class ScheduleGroup(Kind):
    """A group of schedules."""

    service = "scheduler"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        answer = client.create_schedule_group(
            Name=outputs["name"], Tags=tag_list(inputs.get("tags"))
        )
        return {"arn": answer["ScheduleGroupArn"]}

    def read(self, client: Client, outputs: Properties) -> Properties:
        client.get_schedule_group(Name=outputs["name"])
        return {}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        client.tag_resource(ResourceArn=outputs["arn"], Tags=tag_list(inputs.get("tags")))
        return {}

    def delete(self, client: Client, outputs: Properties) -> None:
        client.delete_schedule_group(Name=outputs["name"])


class Secret(Kind):
    """A secret without its value."""

    service = "secretsmanager"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        optional = {"KmsKeyId": inputs.get("kmsKeyId"), "Tags": tag_list(inputs.get("tags"))}
        arn = client.create_secret(
            Name=outputs["name"],
            Description=inputs.get("description", ""),
            **{name: value for name, value in optional.items() if value},
        )["ARN"]
        return {"id": arn, "arn": arn}

    def read(self, client: Client, outputs: Properties) -> Properties:
        client.describe_secret(SecretId=outputs["arn"])
        return {}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        client.update_secret(SecretId=outputs["arn"], Description=inputs.get("description", ""))
        return {}

    def delete(self, client: Client, outputs: Properties) -> None:
        client.delete_secret(SecretId=outputs["arn"], ForceDeleteWithoutRecovery=True)


class SecretVersion(Kind):
    """A secret's value."""

    service = "secretsmanager"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        answer = client.put_secret_value(
            SecretId=inputs["secretId"], SecretString=inputs["secretString"]
        )
        version = answer["VersionId"]
        return {"id": f"{inputs['secretId']}|{version}", "versionId": version}

    def read(self, client: Client, outputs: Properties) -> Properties:
        answer = client.get_secret_value(SecretId=outputs["secretId"])
        return {"secretString": answer["SecretString"]}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        return {}

    def delete(self, client: Client, outputs: Properties) -> None:
        """Leave it: a version goes with its secret."""


class ModelPackageGroup(Kind):
    """A group of model packages."""

    service = "sagemaker"

    def create(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        answer = client.create_model_package_group(
            ModelPackageGroupName=outputs["modelPackageGroupName"],
            ModelPackageGroupDescription=inputs.get("modelPackageGroupDescription", "-"),
            Tags=tag_list(inputs.get("tags")),
        )
        return {"arn": answer["ModelPackageGroupArn"]}

    def read(self, client: Client, outputs: Properties) -> Properties:
        client.describe_model_package_group(ModelPackageGroupName=outputs["modelPackageGroupName"])
        return {}

    def update(self, client: Client, inputs: Properties, outputs: Properties) -> Properties:
        client.add_tags(ResourceArn=outputs["arn"], Tags=tag_list(inputs.get("tags")))
        return {}

    def delete(self, client: Client, outputs: Properties) -> None:
        client.delete_model_package_group(ModelPackageGroupName=outputs["modelPackageGroupName"])


KINDS: dict[str, Kind] = {
    "aws:s3/bucket:Bucket": Bucket(),
    **{f"aws:s3/bucket{name}:Bucket{name}": kind for name, kind in BESIDE.items()},
    "aws:iam/role:Role": Role(),
    "aws:iam/rolePolicy:RolePolicy": RolePolicy(),
    "aws:iam/policy:Policy": Policy(),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": Attachment(),
    "aws:kms/key:Key": Key(),
    "aws:kms/alias:Alias": Alias(),
    "aws:ecr/repository:Repository": Repository(),
    "aws:ecr/lifecyclePolicy:LifecyclePolicy": ImageLifecycle(),
    "aws:cloudwatch/logGroup:LogGroup": LogGroup(),
    "aws:scheduler/scheduleGroup:ScheduleGroup": ScheduleGroup(),
    "aws:secretsmanager/secret:Secret": Secret(),
    "aws:secretsmanager/secretVersion:SecretVersion": SecretVersion(),
    "aws:sagemaker/modelPackageGroup:ModelPackageGroup": ModelPackageGroup(),
}
