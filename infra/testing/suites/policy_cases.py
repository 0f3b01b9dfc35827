"""What breaks each rule of the policy pack on each cloud's types, and what passes it: the table."""

import json
from typing import Any

Props = dict[str, Any]
TAGS = {"stack": "sample/dev", "environment": "dev"}
ACCOUNT = {"StringEquals": {"aws:SourceAccount": "123456789012"}}


def statement(action: object, resource: object = None, **others: object) -> str:
    one = {"Effect": "Allow", "Action": action, "Resource": resource, **others}
    plain = {key: value for key, value in one.items() if value is not None}
    return json.dumps({"Version": "2012-10-17", "Statement": [plain]})


def trusting(principal: object, **others: object) -> str:
    return statement("sts:AssumeRole", Principal=principal, **others)


OPEN = {
    "blockPublicAcls": True,
    "blockPublicPolicy": True,
    "ignorePublicAcls": True,
    "restrictPublicBuckets": True,
}
SAGEMAKER = {"Service": "sagemaker.amazonaws.com"}
GITHUB = {
    "Federated": "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
}
SUBJECT = {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:shop/ml:*"}}
OWNER = "/providers/Microsoft.Authorization/roleDefinitions/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
READER = "/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
POOL = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/ci"

# Rule, type, what breaks it, what passes it.
CASES: list[tuple[str, str, Props, Props]] = [
    ("storage-public", "aws:s3/bucket:Bucket", {"acl": "public-read"}, {"acl": "private"}),
    (
        "storage-public",
        "aws:s3/bucketAcl:BucketAcl",
        {"bucket": "data", "acl": "authenticated-read"},
        {"bucket": "data", "acl": "log-delivery-write"},
    ),
    (
        "storage-public",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        {"bucket": "data", **OPEN, "restrictPublicBuckets": False},
        {"bucket": "data", **OPEN},
    ),
    (
        "storage-public",
        "azure-native:storage:StorageAccount",
        {"allowBlobPublicAccess": True},
        {"allowBlobPublicAccess": False},
    ),
    (
        "storage-public",
        "azure-native:storage:BlobContainer",
        {"publicAccess": "Blob"},
        {"publicAccess": "None"},
    ),
    (
        "storage-public",
        "azure-native:containerregistry:Registry",
        {"anonymousPullEnabled": True},
        {"anonymousPullEnabled": False},
    ),
    (
        "standing-key",
        "azure-native:storage:StorageAccount",
        {},
        {"allowSharedKeyAccess": False},
    ),
    (
        "standing-key",
        "azure-native:containerregistry:Registry",
        {"adminUserEnabled": True},
        {},
    ),
    (
        "standing-key",
        "azure-native:keyvault:Vault",
        {"properties": {"accessPolicies": []}},
        {"properties": {"enableRbacAuthorization": True}},
    ),
    (
        "standing-key",
        "azure-native:machinelearningservices:Compute",
        {"properties": {"computeType": "AmlCompute"}},
        {"properties": {"computeType": "AmlCompute", "disableLocalAuth": True}},
    ),
    (
        "standing-key",
        "azure-native:machinelearningservices:Datastore",
        {"properties": {"credentials": {"credentialsType": "AccountKey"}}},
        {"properties": {"credentials": {"credentialsType": "None"}}},
    ),
    (
        "standing-key",
        "azure-native:operationalinsights:Workspace",
        {"retentionInDays": 30},
        {"features": {"disableLocalAuth": True}},
    ),
    (
        "standing-key",
        "aws:iam/accessKey:AccessKey",
        {"user": "ci"},
        {"user": "ci", "status": "Inactive"},
    ),
    (
        "standing-key",
        "gcp:storage/hmacKey:HmacKey",
        {"serviceAccountEmail": "ci@x.iam"},
        {"serviceAccountEmail": "ci@x.iam", "state": "INACTIVE"},
    ),
    (
        "permission-stars",
        "azure-native:authorization:RoleAssignment",
        {"roleDefinitionId": READER, "scope": "/subscriptions/1"},
        {"roleDefinitionId": READER, "scope": "/subscriptions/1/resourceGroups/ml"},
    ),
    (
        "permission-stars",
        "azure-native:authorization:RoleDefinition",
        {"permissions": [], "assignableScopes": ["/subscriptions/1"]},
        {"permissions": [], "assignableScopes": ["/subscriptions/1/resourceGroups/ml"]},
    ),
    (
        "ingress-open",
        "azure-native:machinelearningservices:Compute",
        {"properties": {"computeType": "AmlCompute", "properties": {"vmSize": "Standard_D2"}}},
        {
            "properties": {
                "computeType": "AmlCompute",
                "properties": {"remoteLoginPortPublicAccess": "Disabled"},
            }
        },
    ),
    (
        "storage-public",
        "gcp:storage/bucket:Bucket",
        {"publicAccessPrevention": "inherited", "uniformBucketLevelAccess": True},
        {"publicAccessPrevention": "enforced", "uniformBucketLevelAccess": True},
    ),
    (
        "storage-public",
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        {"role": "roles/storage.objectViewer", "member": "allUsers"},
        {"role": "roles/storage.objectViewer", "member": "serviceAccount:jobs@x.iam"},
    ),
    ("storage-unencrypted", "aws:sns/topic:Topic", {}, {"kmsMasterKeyId": "alias/aws/sns"}),
    ("storage-unencrypted", "aws:sqs/queue:Queue", {}, {"sqsManagedSseEnabled": True}),
    (
        "storage-unencrypted",
        "aws:ebs/volume:Volume",
        {"availabilityZone": "eu-central-1a"},
        {"availabilityZone": "eu-central-1a", "encrypted": True},
    ),
    ("storage-unencrypted", "aws:efs/fileSystem:FileSystem", {}, {"encrypted": True}),
    (
        "storage-unencrypted",
        "azure-native:storage:StorageAccount",
        {"enableHttpsTrafficOnly": True, "minimumTlsVersion": "TLS1_0"},
        {"enableHttpsTrafficOnly": True, "minimumTlsVersion": "TLS1_2"},
    ),
    (
        "storage-unencrypted",
        "gcp:sql/databaseInstance:DatabaseInstance",
        {"settings": {"ipConfiguration": {"sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED"}}},
        {"settings": {"ipConfiguration": {"sslMode": "ENCRYPTED_ONLY"}}},
    ),
    ("key-rotation", "aws:kms/key:Key", {}, {"enableKeyRotation": True}),
    ("key-rotation", "aws:kms/key:Key", {}, {"customerMasterKeySpec": "RSA_2048"}),
    ("key-rotation", "gcp:kms/cryptoKey:CryptoKey", {}, {"rotationPeriod": "7776000s"}),
    (
        "key-rotation",
        "gcp:kms/cryptoKey:CryptoKey",
        {"rotationPeriod": "99999999s"},
        {"purpose": "ASYMMETRIC_SIGN"},
    ),
    (
        "key-rotation",
        "azure-native:keyvault:Key",
        {"properties": {"kty": "RSA"}},
        {"properties": {"rotationPolicy": {"lifetimeActions": [{"action": {"type": "rotate"}}]}}},
    ),
    (
        "permission-stars",
        "aws:iam/rolePolicy:RolePolicy",
        {"role": "jobs", "policy": statement("s3:Get*", "arn:aws:s3:::data/*")},
        {"role": "jobs", "policy": statement("s3:GetObject", "arn:aws:s3:::data/*")},
    ),
    (
        "permission-stars",
        "aws:iam/policy:Policy",
        {"policy": statement("kms:Decrypt", "*")},
        {
            "policy": statement(
                "kms:Decrypt", "*", Condition={"StringEquals": {"kms:ViaService": "s3"}}
            )
        },
    ),
    (
        "permission-stars",
        "aws:iam/policy:Policy",
        {"policy": statement(["ecr:GetAuthorizationToken", "ecr:BatchGetImage"], "*")},
        {"policy": statement("ecr:GetAuthorizationToken", "*")},
    ),
    (
        "permission-stars",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        {"role": "jobs", "policyArn": "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"},
        {"role": "jobs", "policyArn": "arn:aws:iam::123456789012:policy/jobs"},
    ),
    (
        "permission-stars",
        "azure-native:authorization:RoleAssignment",
        {"roleDefinitionId": OWNER},
        {"roleDefinitionId": READER},
    ),
    (
        "permission-stars",
        "azure-native:authorization:RoleDefinition",
        {"permissions": [{"actions": ["Microsoft.Storage/*"]}]},
        {"permissions": [{"actions": ["Microsoft.Storage/storageAccounts/read"]}]},
    ),
    (
        "permission-stars",
        "gcp:projects/iAMMember:IAMMember",
        {"role": "roles/editor", "member": "serviceAccount:jobs@x.iam"},
        {"role": "roles/aiplatform.user", "member": "serviceAccount:jobs@x.iam"},
    ),
    (
        "permission-stars",
        "gcp:projects/iAMCustomRole:IAMCustomRole",
        {"permissions": ["storage.objects.*"]},
        {"permissions": ["storage.objects.get"]},
    ),
    (
        "trust-condition",
        "aws:iam/role:Role",
        {"assumeRolePolicy": trusting(SAGEMAKER)},
        {"assumeRolePolicy": trusting(SAGEMAKER, Condition=ACCOUNT)},
    ),
    (
        "trust-condition",
        "aws:iam/role:Role",
        {"assumeRolePolicy": trusting("*", Condition=ACCOUNT)},
        {"assumeRolePolicy": trusting(GITHUB, Condition=SUBJECT)},
    ),
    (
        "trust-condition",
        "aws:s3/bucketPolicy:BucketPolicy",
        {"bucket": "data", "policy": statement("s3:GetObject", "x", Principal="*")},
        {"bucket": "data", "policy": statement("s3:GetObject", "x", Principal=SAGEMAKER)},
    ),
    (
        "trust-condition",
        "azure-native:managedidentity:FederatedIdentityCredential",
        {"subject": "repo:shop/*", "audiences": ["api://AzureADTokenExchange"]},
        {
            "subject": "repo:shop/ml:ref:refs/heads/main",
            "audiences": ["api://AzureADTokenExchange"],
        },
    ),
    (
        "trust-condition",
        "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider",
        {"attributeMapping": {"google.subject": "assertion.sub"}},
        {"attributeCondition": "assertion.repository == 'shop/ml'"},
    ),
    (
        "trust-condition",
        "gcp:serviceaccount/iAMMember:IAMMember",
        {"role": "roles/iam.workloadIdentityUser", "member": f"{POOL}/*"},
        {
            "role": "roles/iam.workloadIdentityUser",
            "member": f"{POOL}/attribute.repository/shop/ml",
        },
    ),
    ("tags-missing", "aws:kms/key:Key", {"tags": {"stack": "x"}}, {"tags": TAGS}),
    ("tags-missing", "azure-native:storage:StorageAccount", {}, {"tags": TAGS}),
    ("tags-missing", "gcp:storage/bucket:Bucket", {"labels": {}}, {"labels": TAGS}),
    (
        "ingress-open",
        "aws:ec2/securityGroup:SecurityGroup",
        {
            "ingress": [
                {"protocol": "tcp", "fromPort": 22, "toPort": 22, "cidrBlocks": ["0.0.0.0/0"]}
            ]
        },
        {
            "egress": [
                {"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["0.0.0.0/0"]}
            ]
        },
    ),
    (
        "ingress-open",
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        {"type": "ingress", "cidrBlocks": ["0.0.0.0/0"]},
        {"type": "egress", "cidrBlocks": ["0.0.0.0/0"]},
    ),
    (
        "ingress-open",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        {"securityGroupId": "sg-1", "ipProtocol": "tcp", "cidrIpv6": "::/0"},
        {"securityGroupId": "sg-1", "ipProtocol": "tcp", "cidrIpv4": "10.0.0.0/16"},
    ),
    (
        "ingress-open",
        "azure-native:network:NetworkSecurityGroup",
        {
            "securityRules": [
                {"direction": "Inbound", "access": "Allow", "sourceAddressPrefix": "Internet"}
            ]
        },
        {"securityRules": [{"direction": "Inbound", "access": "Deny", "sourceAddressPrefix": "*"}]},
    ),
    (
        "ingress-open",
        "azure-native:network:SecurityRule",
        {"direction": "Inbound", "access": "Allow", "sourceAddressPrefix": "*"},
        {"direction": "Outbound", "access": "Allow", "sourceAddressPrefix": "*"},
    ),
    (
        "ingress-open",
        "gcp:compute/firewall:Firewall",
        {"allows": [{"protocol": "tcp"}], "sourceRanges": ["0.0.0.0/0"]},
        {"denies": [{"protocol": "tcp"}], "sourceRanges": ["0.0.0.0/0"]},
    ),
    (
        "ingress-open",
        "gcp:sql/databaseInstance:DatabaseInstance",
        {"settings": {"ipConfiguration": {"authorizedNetworks": [{"value": "0.0.0.0/0"}]}}},
        {"settings": {"ipConfiguration": {"authorizedNetworks": [{"value": "10.0.0.0/8"}]}}},
    ),
    (
        "ingress-open",
        "gcp:cloudrunv2/serviceIamMember:ServiceIamMember",
        {"role": "roles/run.invoker", "member": "allUsers"},
        {"role": "roles/run.invoker", "member": "group:ml@example.com"},
    ),
    (
        "gpu-idle",
        "azure-native:machinelearningservices:Compute",
        {
            "properties": {
                "properties": {"vmSize": "STANDARD_NC6S_V3", "scaleSettings": {"minNodeCount": 1}}
            }
        },
        {
            "properties": {
                "properties": {"vmSize": "STANDARD_NC6S_V3", "scaleSettings": {"minNodeCount": 0}}
            }
        },
    ),
    (
        "gpu-idle",
        "aws:eks/nodeGroup:NodeGroup",
        {"instanceTypes": ["g5.xlarge"], "scalingConfig": {"minSize": 1}},
        {"instanceTypes": ["m5.xlarge"], "scalingConfig": {"minSize": 1}},
    ),
    (
        "gpu-idle",
        "aws:batch/computeEnvironment:ComputeEnvironment",
        {"computeResources": {"instanceTypes": ["p4d.24xlarge"], "minVcpus": 96}},
        {"computeResources": {"instanceTypes": ["p4d.24xlarge"], "minVcpus": 0}},
    ),
    (
        "gpu-idle",
        "gcp:container/nodePool:NodePool",
        {"nodeConfig": {"machineType": "a2-highgpu-1g"}, "nodeCount": 2},
        {"nodeConfig": {"machineType": "a2-highgpu-1g"}, "autoscaling": {"minNodeCount": 0}},
    ),
    ("retention-unset", "aws:cloudwatch/logGroup:LogGroup", {}, {"retentionInDays": 30}),
    ("retention-unset", "azure-native:operationalinsights:Workspace", {}, {"retentionInDays": 30}),
    (
        "retention-unset",
        "azure-native:storage:BlobServiceProperties",
        {"deleteRetentionPolicy": {"enabled": False}},
        {"deleteRetentionPolicy": {"enabled": True, "days": 7}},
    ),
    (
        "retention-unset",
        "azure-native:keyvault:Vault",
        {"properties": {}},
        {"properties": {"enablePurgeProtection": True}},
    ),
    (
        "retention-unset",
        "gcp:storage/bucket:Bucket",
        {},
        {"lifecycleRules": [{"action": {"type": "Delete"}, "condition": {"age": 30}}]},
    ),
    (
        "secret-plaintext",
        "aws:sagemaker/model:Model",
        {"primaryContainer": {"image": "x", "environment": {"DB_PASSWORD": "hunter2"}}},
        {"primaryContainer": {"image": "x", "environment": {"DB_PASSWORD_FILE": "/run/word"}}},
    ),
    (
        "secret-plaintext",
        "aws:lambda/function:Function",
        {"environment": {"variables": {"AWS": "AKIAIOSFODNN7EXAMPLE"}}},
        {
            "environment": {
                "variables": {"API_TOKEN": "arn:aws:secretsmanager:eu-central-1:1:secret:t"}
            }
        },
    ),
    (
        "secret-plaintext",
        "azure-native:web:WebApp",
        {"siteConfig": {"appSettings": [{"name": "DB_PASSWORD", "value": "hunter2"}]}},
        {
            "siteConfig": {
                "appSettings": [{"name": "DB_PASSWORD", "value": "@Microsoft.KeyVault(x)"}]
            }
        },
    ),
    (
        "secret-plaintext",
        "gcp:cloudrunv2/service:Service",
        {"template": {"containers": [{"envs": [{"name": "SECRET_KEY", "value": "s3cret"}]}]}},
        {"template": {"containers": [{"envs": [{"name": "SECRET_KEY", "valueSource": {}}]}]}},
    ),
]
