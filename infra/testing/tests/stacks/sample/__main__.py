"""A small stack that uses what stacks use: components, secrets, unknowns, transforms, functions."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

TAGGED = {"aws:kms/key:Key", "aws:s3/bucket:Bucket", "aws:cloudwatch/logGroup:LogGroup"}


@dataclass(frozen=True, kw_only=True)
class StoreArgs:
    retention: int
    protect: bool
    name: str | None


class Store(pulumi.ComponentResource):
    def __init__(
        self, name: str, args: StoreArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("sample:index:Store", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self, protect=args.protect)
        self.key = aws.kms.Key(f"{name}-key", enable_key_rotation=True, opts=child)
        self.bucket = aws.s3.Bucket(f"{name}-bucket", bucket=args.name, opts=child)
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
            f"{name}-log",
            retention_in_days=args.retention,
            kms_key_id=self.key.arn,
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(transforms=[of_store])),
        )
        self.register_outputs({"bucket": self.bucket.bucket})


def of_store(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult:
    args.props["tags"] = {**(args.props.get("tags") or {}), "of": "store"}
    return pulumi.ResourceTransformResult(props=args.props, opts=args.opts)


def tagged(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult | None:
    if args.type_ not in TAGGED:
        return None
    args.props["tags"] = {**(args.props.get("tags") or {}), "stack": pulumi.get_stack()}
    return pulumi.ResourceTransformResult(props=args.props, opts=args.opts)


pulumi.runtime.register_stack_transform(tagged)
config = pulumi.Config()
retention = config.require_int("retention")
if retention < 1:
    raise ValueError(f"retention has to be a day at least, not {retention}")
store = Store(
    "store",
    StoreArgs(
        retention=retention,
        protect=config.require_bool("protect"),
        name=config.get("name") or None,
    ),
)
secret = aws.secretsmanager.Secret("secret")
word = config.require_secret("word")
aws.secretsmanager.SecretVersion("version", secret_id=secret.id, secret_string=word)
word.apply(lambda plain: pulumi.log.info(f"the word is {plain}"))
if config.require_bool("extra"):
    topic = aws.sns.Topic("extra", kms_master_key_id="alias/aws/sns")
aws.kms.Alias("alias", target_key_id=store.key.key_id)
account = aws.get_caller_identity()
pulumi.export("account", account.account_id)
pulumi.export("word", word)
pulumi.export("profile", {"bucket": store.bucket.bucket, "kms_key": store.key.arn})
