"""Every option that a resource can have, before and after a change."""

import pulumi
import pulumi_aws as aws
from pulumi import Alias, ResourceOptions

config = pulumi.Config()
after, strange = config.require_bool("after"), config.get("strange")
days = 60 if after else 30


def log(
    logical: str, opts: ResourceOptions | None = None, **inputs: object
) -> aws.cloudwatch.LogGroup:
    return aws.cloudwatch.LogGroup(logical, **{"retention_in_days": days, **inputs}, opts=opts)


log("plain")
log("ignoring", ResourceOptions(ignore_changes=["retention_in_days"]))
log("replacing", ResourceOptions(replace_on_changes=["retention_in_days"]))
log("fixed", name="after" if after else "before")
log("new-name" if after else "old-name", ResourceOptions(aliases=[Alias(name="old-name")]))
log("secret", ResourceOptions(additional_secret_outputs=["arn"]))
queue = aws.sqs.Queue("first", name="orders", fifo_queue=after, sqs_managed_sse_enabled=True)
aws.sqs.QueuePolicy("policy", queue_url=queue.url, policy="{}")
if config.require_bool("kept"):
    log("retained", ResourceOptions(retain_on_delete=True))
    whole = aws.ec2.Vpc("whole", cidr_block="10.0.0.0/16")
    aws.ec2.Subnet(
        "part", vpc_id=whole.id, cidr_block="10.0.0.0/24", opts=ResourceOptions(deleted_with=whole)
    )

other = aws.Provider("other", region="us-east-1")
elsewhere = log("elsewhere", ResourceOptions(provider=other))
there = aws.get_region_output(opts=pulumi.InvokeOptions(provider=other)).region
pulumi.export("elsewhere", elsewhere.arn)
pulumi.export("there", there)
looked_up = aws.sqs.Queue.get("looked-up", queue.id)
pulumi.export("looked-up", looked_up.arn)
pulumi.export("address", queue.arn)

if strange == "import":
    log("imported", ResourceOptions(import_="nowhere"))
elif strange == "function":
    aws.ec2.get_vpc(id="vpc-1")
elif strange == "transform":

    def wrong(args: pulumi.ResourceTransformArgs) -> None:
        raise RuntimeError(f"no {args.name}")

    log("transformed", ResourceOptions(transforms=[wrong]))
