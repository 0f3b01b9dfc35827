"""A small stack that uses what stacks use: components, secrets, unknowns, transforms, functions."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class StoreArgs:
    retention: int
    protect: bool


class Store(pulumi.ComponentResource):
    def __init__(
        self, name: str, args: StoreArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sample:index:Store", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self, protect=args.protect)
        self.key = aws.kms.Key(f"{name}-key", enable_key_rotation=True, opts=child)
        self.bucket = aws.s3.Bucket(f"{name}-bucket", opts=child)
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=self.bucket.bucket,
            rules=[
                {
                    "apply_server_side_encryption_by_default": {
                        "sse_algorithm": "aws:kms",
                        "kms_master_key_id": self.key.arn,
                    },
                }
            ],
            opts=child,
        )
        self.log = aws.cloudwatch.LogGroup(
            f"{name}-log", retention_in_days=args.retention, kms_key_id=self.key.arn, opts=child
        )
        self.register_outputs({"bucket": self.bucket.bucket})


def tagged(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult:
    if args.type_ in {
        "aws:kms/key:Key",
        "aws:s3/bucket:Bucket",
        "aws:cloudwatch/logGroup:LogGroup",
    }:
        args.props["tags"] = {**args.props.get("tags", {}), "stack": pulumi.get_stack()}
    return pulumi.ResourceTransformResult(props=args.props, opts=args.opts)


pulumi.runtime.register_stack_transform(tagged)
config = pulumi.Config()
store = Store(
    "store",
    StoreArgs(retention=config.require_int("retention"), protect=config.require_bool("protect")),
)
secret = aws.secretsmanager.Secret("secret")
aws.secretsmanager.SecretVersion(
    "version", secret_id=secret.id, secret_string=config.require_secret("word")
)
account = aws.get_caller_identity()
pulumi.export("bucket", store.bucket.bucket)
pulumi.export("account", account.account_id)
pulumi.export("word", config.require_secret("word"))
pulumi.export(
    "profile",
    pulumi.Output.all(store.bucket.bucket, store.key.arn).apply(
        lambda both: {"bucket": both[0], "kms_key": both[1]}
    ),
)
