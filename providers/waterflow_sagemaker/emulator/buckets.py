"""Where S3's buckets are: a request that is made in another region is shown the way, as S3 does.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote
from xml.sax.saxutils import escape

from waterflow.emulation.wire import Reply
from waterflow_sagemaker.emulator import wire
from waterflow_sagemaker.emulator.objects import ACCOUNT

if TYPE_CHECKING:
    from waterflow.emulation.wire import Environ

_HOST: Final = re.compile(r"(?P<bucket>.+)\.s3[.-](?:[\w-]+\.)*amazonaws\.com(?:\.cn)?")


def redirect(environ: Environ) -> Reply | None:
    """Return S3's answer to a request for a bucket that is in another region; None otherwise.

    Args:
        environ: A request to S3; the region it is signed for is that of the endpoint it goes to.
    """
    from moto.s3.models import s3_backends

    signed, (bucket, key) = wire.region_of(environ), place(environ)
    backend: Any = s3_backends[ACCOUNT]["aws"]
    there = backend.buckets.get(bucket)
    region = signed if there is None else str(there.region_name)
    query = str(environ.get("QUERY_STRING", ""))
    # Where a bucket is, is told everywhere; and its name is taken everywhere.
    anywhere = not key and (
        "location" in query.split("&") or (environ["REQUEST_METHOD"] == "PUT" and not query)
    )
    if region == signed or not signed or anywhere:
        return None
    text = (
        "The bucket you are attempting to access must be addressed using the specified endpoint. "
        "Please send all future requests to this endpoint."
    )
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>PermanentRedirect</Code>'
        f"<Message>{text}</Message><Endpoint>{escape(bucket)}.s3.{region}.amazonaws.com</Endpoint>"
        f"<Bucket>{escape(bucket)}</Bucket></Error>"
    )
    data = b"" if environ["REQUEST_METHOD"] == "HEAD" else body.encode()
    headers = (("Content-Type", "application/xml"), ("x-amz-bucket-region", region))
    return Reply(301, data, headers)


def place(environ: Environ) -> tuple[str, str]:
    """Return the bucket and the key of a request, whichever way it names them."""
    path = unquote(str(environ.get("PATH_INFO", ""))).lstrip("/")
    host = _HOST.fullmatch(str(environ.get("HTTP_HOST", "")).partition(":")[0])
    if host is not None:
        return host["bucket"], path
    bucket, _, key = path.partition("/")
    return bucket, key
