"""SageMaker's emulator does what every emulator must."""

from waterflow.testing import EmulatorConformance

CLIENT = """
import boto3, sys
from botocore.config import Config
client = boto3.client("sagemaker", config=Config(retries={"max_attempts": 0}))
"""
CONTAINER = '{"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/any:1"}'
ROLE = '"arn:aws:iam::123456789012:role/tests"'


class TestSageMaker(EmulatorConformance):
    """The suite, by boto3."""

    name = "sagemaker"
    operation = "CreateModel"
    make = (
        f"{CLIENT}client.create_model(ModelName=sys.argv[1], ExecutionRoleArn={ROLE}, "
        f"PrimaryContainer={CONTAINER})"
    )
    show = f"{CLIENT}for one in client.list_models()['Models']: print(one['ModelName'])"
    throttled, unavailable = "ThrottlingException", "ServiceUnavailable"
