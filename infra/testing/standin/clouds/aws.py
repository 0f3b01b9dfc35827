"""Amazon Web Services: how resources are named there, and which changes make a new resource."""

from standin.provider import Cloud, Facts

CLOUD = Cloud(
    facts={"aws:s3/bucket:Bucket": Facts(name="bucket", id="{bucket}")},
    functions={
        "aws:index/getCallerIdentity:getCallerIdentity": lambda _, words: {
            "accountId": words["account"],
            "arn": f"arn:aws:iam::{words['account']}:user/deployer",
            "id": words["account"],
            "userId": "AIDA",
        }
    },
    surroundings={"account": "123456789012", "partition": "aws", "region": "us-east-1"},
    required=("region",),
)
