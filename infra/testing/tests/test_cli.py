"""What an operation came to, read from the events that Pulumi's engine logs."""

from standin.cli import result_of

URN = "urn:pulumi:dev::sample::{}::{}"
LOGS, TOPIC = "aws:cloudwatch/logGroup:LogGroup", "aws:sns/topic:Topic"


def step(op: str, token: str, name: str, **more: object) -> dict[str, object]:
    urn = URN.format(token, name)
    new = {"urn": urn, "type": token, "custom": True, "id": name, **more.pop("new", {})}  # type: ignore[dict-item]
    return {"metadata": {"op": op, "urn": urn, "type": token, "new": new, **more}}


def test_steps_become_changes_and_a_replacement_is_told_once() -> None:
    detail = {"retentionInDays": {"diffKind": "update", "inputDiff": True}}
    result = result_of(
        "preview",
        [
            {"sequence": 1, "resourcePreEvent": step("same", "pulumi:pulumi:Stack", "sample-dev")},
            {"resourcePreEvent": step("create", "pulumi:providers:aws", "default_7_51_1")},
            {"resourcePreEvent": step("update", LOGS, "logs", detailedDiff=detail)},
            {"resourcePreEvent": step("create-replacement", TOPIC, "topic")},
            {"resourcePreEvent": step("replace", TOPIC, "topic", diffs=["name"])},
            {"resourcePreEvent": step("delete-replaced", TOPIC, "topic")},
            {"summaryEvent": {"resourceChanges": {"update": 1}}},
        ],
    )
    assert result.changed == {"logs": "update", "topic": "replace"}
    assert list(result.details.values()) == [("retentionInDays",), ("name",)]


def test_messages_have_their_layer() -> None:
    logs = URN.format(LOGS, "logs")
    result = result_of(
        "up",
        [
            {
                "diagnosticEvent": {
                    "severity": "error",
                    "urn": logs,
                    "message": f"{LOGS} resource 'logs' has a problem: expected a number",
                }
            },
            {"diagnosticEvent": {"severity": "debug", "message": "x"}},
            {
                "policyEvent": {
                    "resourceUrn": logs,
                    "policyName": "retention-unset",
                    "enforcementLevel": "mandatory",
                    "message": "retentionInDays is not set",
                }
            },
        ],
    )
    assert [(one.layer, one.urn) for one in result.errors] == [("schema", logs), ("policy", logs)]


def test_secrets_stay_secret_and_outputs_are_read() -> None:
    mark = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
    new = {"outputs": {"arn": "arn:logs", "word": {**mark, "plaintext": '"hunter2"'}}}
    result = result_of("up", [{"resOutputsEvent": step("create", LOGS, "logs", new=new)}])
    assert result.resource("logs")["arn"] == "arn:logs"
    assert result.resource("logs")["word"] == "[secret]"
