"""One resource of each type that the carrier makes in AWS."""

import json

import pulumi
import pulumi_aws as aws


def policy(**statement: object) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


key = aws.kms.Key("key", enable_key_rotation=True, description="of the data")
aws.kms.Alias("alias", target_key_id=key.key_id)
bucket = aws.s3.Bucket("data", force_destroy=True, tags={"environment": "dev"})
aws.s3.BucketVersioning(
    "data", bucket=bucket.bucket, versioning_configuration={"status": "Enabled"}
)
aws.s3.BucketServerSideEncryptionConfiguration(
    "data",
    bucket=bucket.bucket,
    rules=[
        {
            "apply_server_side_encryption_by_default": {
                "sse_algorithm": "aws:kms",
                "kms_master_key_id": key.arn,
            },
            "bucket_key_enabled": True,
        }
    ],
)
aws.s3.BucketPublicAccessBlock(
    "data",
    bucket=bucket.bucket,
    block_public_acls=True,
    block_public_policy=True,
    ignore_public_acls=True,
    restrict_public_buckets=True,
)
aws.s3.BucketOwnershipControls(
    "data", bucket=bucket.bucket, rule={"object_ownership": "BucketOwnerEnforced"}
)
aws.s3.BucketLifecycleConfiguration(
    "data",
    bucket=bucket.bucket,
    rules=[
        {
            "id": "runs",
            "status": "Enabled",
            "filter": {"prefix": "runs/"},
            "expiration": {"days": 30},
        }
    ],
)
aws.s3.BucketPolicy(
    "data",
    bucket=bucket.bucket,
    policy=bucket.arn.apply(
        lambda arn: policy(
            Effect="Deny",
            Principal="*",
            Action="s3:*",
            Resource=[arn, f"{arn}/*"],
            Condition={"Bool": {"aws:SecureTransport": "false"}},
        )
    ),
)
boundary = aws.iam.Policy(
    "boundary",
    policy=policy(Effect="Allow", Action="s3:GetObject", Resource="arn:aws:s3:::data/*"),
)
role = aws.iam.Role(
    "jobs",
    path="/waterflow/",
    permissions_boundary=boundary.arn,
    assume_role_policy=policy(
        Effect="Allow",
        Principal={"Service": "sagemaker.amazonaws.com"},
        Action="sts:AssumeRole",
        Condition={"StringEquals": {"aws:SourceAccount": "123456789012"}},
    ),
)
aws.iam.RolePolicy(
    "jobs",
    role=role.name,
    policy=policy(Effect="Allow", Action="s3:GetObject", Resource="arn:aws:s3:::data/*"),
)
aws.iam.RolePolicyAttachment("jobs", role=role.name, policy_arn=boundary.arn)
images = aws.ecr.Repository(
    "images",
    image_tag_mutability="IMMUTABLE",
    image_scanning_configuration={"scan_on_push": True},
)
rule = {
    "rulePriority": 1,
    "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 50},
    "action": {"type": "expire"},
}
aws.ecr.LifecyclePolicy("expiry", repository=images.name, policy=json.dumps({"rules": [rule]}))
aws.cloudwatch.LogGroup("logs", retention_in_days=30)
aws.scheduler.ScheduleGroup("schedules")
aws.sagemaker.ModelPackageGroup("models", model_package_group_name="models")
secret = aws.secretsmanager.Secret("secret")
word = pulumi.Config().require_secret("word")
aws.secretsmanager.SecretVersion("version", secret_id=secret.id, secret_string=word)
pulumi.export("key", key.arn)
