"""What the emulator answers with success is run, kept or known; all else is the cloud's refusal."""

import pytest
from waterflow_sagemaker.emulator import Emulator
from waterflow_sagemaker.emulator.operations import ANSWERED

from tests.providers.sagemaker.requests_kit import Wire, code, model, value, variants

SERVICES = sorted(ANSWERED)


@pytest.fixture(scope="module")
def wire():
    """A connection to an emulator that keeps what these requests make."""
    with Emulator(grace=0.5) as emulator:
        yield Wire(emulator)


def asked(wire, service, operation, request):
    """Send a request, and hold its answer to be the cloud's: a success or a refusal."""
    reply = wire.ask(service, operation, request)
    if reply is None or reply[0] < 300:
        return reply and (reply[0], None)
    status, text = reply
    # The answer to a HEAD has no body to hold a code.
    refusal = code(text) if text else operation.startswith("Head") and "NotImplemented"
    told = f"{operation} {request}: {status} {text[:500]}"
    assert refusal, f"not the cloud's shape: {told}"
    assert status < 500 or refusal == "NotImplemented", told
    assert "<html" not in text.lower(), told
    assert refusal != "InternalFailure", told
    return status, refusal


@pytest.mark.parametrize("service", SERVICES)
def test_every_operation_is_in_the_table_or_refused_by_name(wire, service):
    described = model(service)
    assert set(ANSWERED[service]) <= set(described.operation_names)
    refused = {"UnknownOperationException", "InvalidAction", "NotImplemented"}
    for name in described.operation_names:
        if name == "ListDirectoryBuckets":
            continue  # in AWS it differs from ListBuckets by its host only
        shape = described.operation_model(name).input_shape
        requests = [value(shape), value(shape, whole=True)] if shape else [{}]
        replies = [wire.ask(service, name, request) for request in requests]
        if name in ANSWERED[service]:
            # A request without what makes it one is none that the service knows.
            known = [text for _, text in replies if not text or code(text) not in refused]
            assert known, f"{name}: {replies}"
        else:
            for status, text in replies:
                assert code(text) in refused, f"{name}: {status} {text[:300]}"
                assert name in text


@pytest.mark.parametrize("service", SERVICES)
def test_whatever_is_asked_the_answer_is_the_clouds(wire, service):
    described = model(service)
    for name in ANSWERED[service]:
        for request in variants(described.operation_model(name)):
            asked(wire, service, name, request)
