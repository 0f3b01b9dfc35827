"""Requests as no SDK would send them: made from a service's own model, written by hand."""

import base64
import http.client
import json
import re
from functools import lru_cache

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.serialize import create_serializer

WORDS = (
    "nothing-there",
    "arn:aws:sagemaker:us-east-1:123456789012:pipeline/nothing-there",
    "arn:aws:sagemaker:us-east-1:123456789012:pipeline/nothing-there/execution/abcdefghijkl",
    "arn:aws:sagemaker:us-east-1:123456789012:model-package/nothing-there/1",
    "arn:aws:sagemaker:us-east-1:123456789012:model/nothing-there",
    "arn:aws:iam::123456789012:role/nothing-there",
    "s3://nothing-there/key",
    "123456789012",
    "12345678901234567890123456789012",
    "ABCDEFGHIJKLMNOPQRST",
    "Abcdefghij",
    "rate(1 day)",
    "a",
    "1",
    "/",
    "/opt/ml/processing/x",
    "nothing.there",
    "text/csv",
)
"""What texts are tried for: the first that a shape's pattern and length allow is taken."""


@lru_cache
def model(service):
    """Return a service's own model."""
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def value(shape, *, whole=False, depth=0):
    """Return a value that a shape allows; `whole` gives every member, else those required."""
    kind = shape.type_name
    if kind == "structure":
        names = shape.required_members
        if whole and depth < 3:
            names = list(shape.members)
        if getattr(shape, "is_tagged_union", False):
            names = list(shape.members)[:1]
        return {name: value(shape.members[name], whole=whole, depth=depth + 1) for name in names}
    if kind == "list":
        least = max(shape.metadata.get("min", 0), 1 if whole and depth < 3 else 0)
        return [value(shape.member, whole=whole, depth=depth + 1)] * least
    if kind == "map":
        return {"a": value(shape.value, whole=whole, depth=depth + 1)} if whole else {}
    return _scalar(shape, kind)


def _scalar(shape, kind):
    if kind == "string":
        if shape.enum:
            return shape.enum[0]
        least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 10**9)
        pattern = shape.metadata.get("pattern", ".*")
        for word in (*WORDS, "x" * least):
            if least <= len(word) <= most and _matches(pattern, word):
                return word
        return WORDS[0][:most].ljust(least, "x")
    if kind in ("integer", "long"):
        return max(1, shape.metadata.get("min", 1))
    if kind in ("float", "double"):
        return float(max(1, shape.metadata.get("min", 1)))
    return {"boolean": True, "timestamp": 1.7e9, "blob": b"bytes"}[kind]


def _matches(pattern, word):
    try:
        return re.fullmatch(pattern, word) is not None
    except re.error:  # the models' patterns are Java's
        return True


def wrong(shape):
    """Yield values that a shape does not allow: another type, too long, too small, none known."""
    kind = shape.type_name
    yield {"string": {"a": 1}, "structure": "text", "list": "text", "map": "text"}.get(kind, {})
    if kind == "string":
        yield from ("", "x" * 20_000, "no such thing?\n\u2028é/../{}")
    elif kind in ("integer", "long", "float", "double"):
        yield from (-(10**12), 10**15)
    elif kind in ("list", "map"):
        yield [] if kind == "list" else {}
    elif kind == "structure":
        yield {}


def variants(operation):
    """Yield requests for an operation: right, whole, and each with one thing wrong."""
    shape = operation.input_shape
    yield {}
    if shape is None:
        return
    least, most = value(shape), value(shape, whole=True)
    yield from (least, most)
    for name, member in shape.members.items():
        yield {key: one for key, one in least.items() if key != name}
        yield least | {name: value(member, whole=True)}
        for one in wrong(member):
            yield least | {name: one}
        if member.type_name == "structure":
            inner = value(member, whole=True)
            for key in inner:
                yield least | {name: {k: one for k, one in inner.items() if k != key}}
                for one in wrong(member.members[key]):
                    yield least | {name: inner | {key: one}}


class Wire:
    """A connection to an emulator, for requests that are signed by nobody."""

    def __init__(self, emulator):
        host, _, port = emulator.endpoint.removeprefix("http://").partition(":")
        self._connection = http.client.HTTPConnection(host, int(port), timeout=30)

    def ask(self, service, operation, request):
        """Send a request; return status, text, or None when its protocol cannot express it."""
        written = _written(service, operation, request)
        if written is None:
            return None
        method, path, headers, body = written
        scope = model(service).metadata.get("signingName", service)
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/{scope}/aws4_request, "
            "SignedHeaders=host, Signature=0"
        )
        self._connection.request(method, path, body, headers)
        reply = self._connection.getresponse()
        return reply.status, reply.read().decode("utf-8", "replace")


def _written(service, operation, request):
    meta = model(service).metadata
    if meta["protocol"] == "json":
        version = meta.get("jsonVersion", "1.1")
        headers = {
            "X-Amz-Target": f"{meta['targetPrefix']}.{operation}",
            "Content-Type": f"application/x-amz-json-{version}",
        }
        return "POST", "/", headers, json.dumps(request, default=_base64)
    serializer = create_serializer(meta["protocol"], include_validation=False)
    try:
        form = serializer.serialize_to_request(request, model(service).operation_model(operation))
    except (TypeError, AttributeError, ValueError, KeyError):
        return None
    query, body = form["query_string"], form["body"]
    if isinstance(body, dict):
        body = _form(body)
        form["headers"]["Content-Type"] = "application/x-www-form-urlencoded; charset=utf-8"
    path = form["url_path"]
    if query:
        path += ("&" if "?" in path else "?") + (query if isinstance(query, str) else _form(query))
    headers = {str(k): str(v) for k, v in form["headers"].items() if k != "Content-Length"}
    if any("\n" in text or not text.isascii() for text in (path, *headers.values())):
        return None
    return form["method"], path, headers, body


def _form(pairs):
    from urllib.parse import urlencode

    return urlencode(pairs, doseq=True)


def _base64(data):
    return base64.b64encode(data).decode()


def code(text):
    """Return the code of a refusal; None for what is none in the cloud's shape."""
    try:
        answer = json.loads(text)
    except ValueError:
        match = re.search(r"<Code>([\w.]+)</Code>", text)
        return match and match[1]
    return answer.get("__type") and answer["__type"].rpartition("#")[2]
