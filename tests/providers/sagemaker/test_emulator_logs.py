"""FilterLogEvents: the patterns, and every other filter."""

from __future__ import annotations

import json
import time

import pytest
from botocore.exceptions import ClientError
from waterflow_sagemaker.emulator.filter_patterns import PatternError, matcher

LINE = "[ERROR 419] GET /a/b.csv: key 'x y' not found in 12 ms"
EVENT = json.dumps(
    {
        "level": "ERROR",
        "code": 503,
        "ok": False,
        "none": None,
        "ip": "123.123.1.2",
        "user": {"id": 7, "name": "Ada Lovelace", "with-dash": 1, "a.b": 2},
        "tags": ["red", "blue"],
        "items": [{"n": 1}, {"n": 2}],
        "ratio": 1.5e3,
    }
)
COLUMNS = '127.0.0.1 Prod frank [10/Oct/2026:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'

TERMS = [
    ("", True),
    ("   ", True),
    ("ERROR", True),
    ("error", False),
    ("ERROR GET", True),
    ("ERROR POST", False),
    ("GET ERROR", True),
    ('"not found"', True),
    ('"found not"', False),
    ('"[ERROR 419]"', True),
    ('"a \\"b\\""', False),
    ("?WARN ?ERROR", True),
    ("?WARN ?INFO", False),
    ('?WARN ?"not found"', True),
    ("ERROR ?WARN", True),
    ("-WARN", True),
    ("-ERROR", False),
    ("ERROR -WARN", True),
    ('ERROR -"not found"', False),
    ("?WARN ?ERROR -GET", False),
    ("%[0-9]{3}%", True),
    ("%^ERROR%", False),
    ("%4[12]9% ERROR", True),
    ("ERR", True),
]
EXPRESSIONS = [
    ("{ $.code = 503 }", True),
    ("{$.code=503}", True),
    ("{ $.code = 503.0 }", True),
    ("{ $.code != 503 }", False),
    ("{ $.code > 500 }", True),
    ("{ $.code >= 503 }", True),
    ("{ $.code < 503 }", False),
    ("{ $.code <= 503 }", True),
    ("{ $.ratio = 1.5e3 }", True),
    ('{ $.level = "ERROR" }', True),
    ("{ $.level = ERROR }", True),
    ('{ $.level = "error" }', False),
    ('{ $.level = "ERR*" }', True),
    ('{ $.level = "*ROR" }', True),
    ('{ $.level != "WARN" }', True),
    ("{ $.level = %^ERR% }", True),
    ("{ $.level != %^ERR% }", False),
    ("{ $.ip = 123.123.* }", True),
    ("{ $.ip != 123.123.* }", False),
    ("{ $.user.id = 7 }", True),
    ('{ $.user.name = "Ada Lovelace" }', True),
    ("{ $.user.with-dash = 1 }", True),
    ("{ $.user['a.b'] = 2 }", True),
    ('{ $.tags[0] = "red" }', True),
    ('{ $.tags[1] = "red" }', False),
    ('{ $.tags[*] = "blue" }', True),
    ("{ $.items[*].n = 2 }", True),
    ("{ $.items[0].n = 2 }", False),
    ("{ $.ok IS FALSE }", True),
    ("{ $.ok IS TRUE }", False),
    ("{ $.none IS NULL }", True),
    ("{ $.absent IS NULL }", False),
    ("{ $.absent NOT EXISTS }", True),
    ("{ $.none NOT EXISTS }", False),
    ("{ $.absent = 1 }", False),
    ("{ $.absent != 1 }", False),
    ("{ $.user = 1 }", False),
    ('{ $.code = 503 && $.level = "ERROR" }', True),
    ('{ $.code = 500 || $.level = "ERROR" }', True),
    ('{ $.code = 500 && $.level = "ERROR" || $.ok IS FALSE }', True),
    ('{ $.code = 500 && ($.level = "ERROR" || $.ok IS FALSE) }', False),
    ("{ ($.code = 503) }", True),
]
LINES = [
    ("[ip, env, user, time, request, status, bytes]", True),
    ("[ip, env, user, time, request, status]", False),
    ("[ip, env, user, time, request, status = 404, bytes]", True),
    ("[ip, env, user, time, request, status = 4*, bytes]", True),
    ("[ip, env, user, time, request, status = 5*, bytes]", False),
    ("[ip, env, user, time, request, status = 4* || status = 5*, bytes]", True),
    ("[ip, env, user, time, request, status, bytes > 1000]", True),
    ("[ip, env, user, time, request, status, bytes > 1000 && bytes < 1500]", False),
    ("[ip, env=Prod, ...]", True),
    ("[..., status != 404, bytes]", False),
    ("[..., request = *index*, status, bytes]", True),
    ('[ip, env, user = "frank", ...]', True),
    ("[ip = %^127%, ...]", True),
    ("[]", False),
]
NO_PATTERNS = [
    '"open', "{ $.code = }", "{ $.code }", "{ code = 1 }", "{ $.code = 1", "{ $.a = 1 } x",
    "{ $.a > b }", "{ $.a IS BIG }", "[a, b", "[..., a, ...]", "%(%", "[a = %(%]", "%(a|b)%",
    "%what!%", "%[%", "{ $.a = %a% || $.b = %b% || $.c = %c% }",
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "takes"), TERMS)
def test_terms(pattern, takes):
    assert matcher(pattern)(LINE) is takes


@pytest.mark.parametrize(("pattern", "takes"), EXPRESSIONS)
def test_expressions_over_json(pattern, takes):
    assert matcher(pattern)(EVENT) is takes
    assert matcher(pattern)(LINE) is False, "a line that is no JSON"


@pytest.mark.parametrize(("pattern", "takes"), LINES)
def test_expressions_over_columns(pattern, takes):
    assert matcher(pattern)(COLUMNS) is takes


@pytest.mark.parametrize("pattern", NO_PATTERNS)
def test_what_is_no_pattern_is_an_error(pattern):
    with pytest.raises(PatternError):
        matcher(pattern)


# --- the operation --------------------------------------------------------------------------------

STREAMS = {
    "job-a/1": [(0, "ERROR one"), (2, "ok two"), (4, '{"code": 500}')],
    "job-a/2": [(1, "ok three"), (3, "ERROR four")],
    "job-b/1": [(5, "ERROR five"), (6, '{"code": 200}')],
}


class Group:
    """A log group with three streams, whose events have times from 0 on."""

    def __init__(self, aws):
        self.client, self.name = aws("logs"), f"/waterflow/{aws.name('group')}"
        self.start = int(time.time() * 1000) - 60_000
        self.client.create_log_group(logGroupName=self.name)
        for name, events in STREAMS.items():
            self.client.create_log_stream(logGroupName=self.name, logStreamName=name)
            self.put(name, *events)

    def put(self, stream, *events):
        self.client.put_log_events(
            logGroupName=self.name,
            logStreamName=stream,
            logEvents=[{"timestamp": self.start + at, "message": text} for at, text in events],
        )

    def answer(self, **request):
        for name in ("startTime", "endTime"):
            if name in request:
                request[name] += self.start
        if "logGroupIdentifier" not in request:
            request = {"logGroupName": self.name, **request}
        return self.client.filter_log_events(**request)

    def times(self, **request):
        events = self.answer(**request)["events"]
        return [event["timestamp"] - self.start for event in events]


@pytest.fixture
def group(aws):
    return Group(aws)


FILTERS = {
    "none": ({}, [0, 1, 2, 3, 4, 5, 6]),
    "from a time on": ({"startTime": 3}, [3, 4, 5, 6]),
    "up to a time": ({"endTime": 3}, [0, 1, 2, 3]),
    "between times": ({"startTime": 2, "endTime": 4}, [2, 3, 4]),
    "one stream": ({"logStreamNames": ["job-a/2"]}, [1, 3]),
    "two streams": ({"logStreamNames": ["job-b/1", "job-a/1"]}, [0, 2, 4, 5, 6]),
    "streams by prefix": ({"logStreamNamePrefix": "job-a/"}, [0, 1, 2, 3, 4]),
    "a prefix of none": ({"logStreamNamePrefix": "job-c"}, []),
    "a limit": ({"limit": 2}, [0, 1]),
    "a term": ({"filterPattern": "ERROR"}, [0, 3, 5]),
    "no such term": ({"filterPattern": "-ERROR"}, [1, 2, 4, 6]),
    "an expression": ({"filterPattern": "{ $.code >= 500 }"}, [4]),
    "all together": (
        {"filterPattern": "ERROR", "logStreamNamePrefix": "job-", "startTime": 1, "limit": 1}, [3]
    ),
    "not interleaved, which is ignored": ({"interleaved": False}, [0, 1, 2, 3, 4, 5, 6]),
    "newest first": ({"startFromHead": False, "startTime": 2}, [6, 5, 4, 3, 2]),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "times"), FILTERS.values(), ids=FILTERS.keys())
def test_each_filter(group, request_, times):
    assert group.times(**request_) == times


def test_events_are_whole(group):
    answer = group.answer(logStreamNames=["job-a/2"], limit=1)
    [event] = answer["events"]
    assert event.keys() == {"logStreamName", "timestamp", "message", "ingestionTime", "eventId"}
    assert (event["logStreamName"], event["message"]) == ("job-a/2", "ok three")
    assert answer["searchedLogStreams"] == [], "as since 2020"


@pytest.mark.parametrize(
    ("more", "times"),
    [({}, [0, 1, 2, 3, 4, 5, 6]), ({"filterPattern": "ERROR"}, [0, 3, 5]),
     ({"startFromHead": False, "startTime": 0}, [6, 5, 4, 3, 2, 1, 0])],
)  # fmt: skip
def test_pages_hold_everything_once(group, more, times):
    seen, token = [], {}
    while True:
        answer = group.answer(limit=2, **more, **token)
        seen += [event["timestamp"] - group.start for event in answer["events"]]
        assert len(answer["events"]) <= 2
        if "nextToken" not in answer:
            break
        token = {"nextToken": answer["nextToken"]}
    assert seen == times


def test_what_is_written_between_pages_costs_no_event(group):
    first = group.answer(limit=3)
    group.put("job-b/1", (1, "late"), (7, "new"))
    rest = group.times(nextToken=first["nextToken"])
    assert rest == [3, 4, 5, 6, 7], "what came before the place of the first page is over"


def test_a_page_holds_a_megabyte(group):
    for at in range(4):
        group.put("job-b/1", (10 + at, "x" * 250_000), (20 + at, "y" * 250_000))
    pages = group.client.get_paginator("filter_log_events").paginate(
        logGroupName=group.name, startTime=group.start + 10
    )
    sizes = [len(page["events"]) for page in pages]
    assert sizes == [4, 4]


def test_a_group_by_its_identifier(group):
    arn = f"arn:aws:logs:us-east-1:123456789012:log-group:{group.name}"
    for identifier in (group.name, arn):
        assert len(group.times(logGroupIdentifier=identifier)) == 7


REFUSALS = {
    "no group": ({"logGroupName": "/absent"}, "ResourceNotFoundException"),
    "another region's group": (
        {"logGroupIdentifier": "arn:aws:logs:us-west-2:123456789012:log-group:/x"},
        "ResourceNotFoundException",
    ),
    "no stream": ({"logStreamNames": ["absent"]}, "ResourceNotFoundException"),
    "names and a prefix": (
        {"logStreamNames": ["job-a/1"], "logStreamNamePrefix": "job"}, "InvalidParameterException"
    ),
    "no pattern": ({"filterPattern": "{ $.a = }"}, "InvalidParameterException"),
    "too many": ({"limit": 10_001}, "InvalidParameterException"),
    "no token": ({"nextToken": "x"}, "InvalidParameterException"),
    "newest first of all time": ({"startFromHead": False}, "InvalidParameterException"),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "code"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_cannot_be_filtered_is_refused(group, request_, code):
    with pytest.raises(ClientError) as caught:
        group.answer(**request_)
    assert caught.value.response["Error"]["Code"] == code


def test_a_job_s_own_lines_are_filtered(aws):
    name = aws.processing("print('fine'); print('loss=0.5'); print('ERROR at the end')")
    assert aws.wait(name)["ProcessingJobStatus"] == "Completed"
    events = aws("logs").filter_log_events(
        logGroupName="/aws/sagemaker/ProcessingJobs",
        logStreamNamePrefix=f"{name}/",
        filterPattern='?ERROR ?"loss="',
    )["events"]
    assert [event["message"] for event in events] == ["loss=0.5", "ERROR at the end"]
