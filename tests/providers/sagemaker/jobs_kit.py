"""What tests of the emulator's jobs ask: how a call was refused, what a job has printed."""

import json

import pytest
from botocore.exceptions import ClientError


def failing(call, code="ValidationException"):
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code
    return caught.value.response["Error"]["Message"]


def dumped(aws, name, kind="Processing"):
    """What a job has printed as JSON, line by line."""
    return [json.loads(line) for line in aws.lines(name, kind)]
