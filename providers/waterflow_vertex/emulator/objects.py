"""Cloud Storage's JSON API: buckets, and the objects in them but for their uploads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from waterflow.emulation.clock import written
from waterflow.emulation.paging import page
from waterflow_vertex.emulator import preconditions
from waterflow_vertex.emulator.blobs import OCTETS, Blob, Bucket
from waterflow_vertex.emulator.errors import Refusal, unanswered
from waterflow_vertex.emulator.ranges import served
from waterflow_vertex.emulator.routes import STORAGE, How, Request, Route, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from waterflow.emulation.wire import Reply
    from waterflow_vertex.emulator.routes import Call
    from waterflow_vertex.emulator.world import World

_B: Final = "/storage/v1/b"
_O: Final = f"{_B}/{{bucket}}/o"
_LARGEST_PAGE: Final = 1000
_MOST_PARTS: Final = 32
_BUCKET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_BUCKET_MEMBERS: Final[dict[str, tuple[type, ...]]] = {
    "name": (str,), "location": (str,), "locationType": (str,), "storageClass": (str,),
    "labels": (dict,), "versioning": (dict,), "encryption": (dict,), "iamConfiguration": (dict,),
    "lifecycle": (dict,), "softDeletePolicy": (dict,), "retentionPolicy": (dict,), "cors": (list,),
    "website": (dict,), "logging": (dict,), "rpo": (str,), "autoclass": (dict,),
    "hierarchicalNamespace": (dict,), "defaultEventBasedHold": (bool,), "billing": (dict,),
    "customPlacementConfig": (dict,), "acl": (list,), "defaultObjectAcl": (list,),
    "objectRetention": (dict,), "ipFilter": (dict,),
}  # fmt: skip
_OBJECT_MEMBERS: Final[dict[str, tuple[type, ...]]] = {
    "contentType": (str,), "contentEncoding": (str,), "contentDisposition": (str,),
    "contentLanguage": (str,), "cacheControl": (str,), "metadata": (dict,), "customTime": (str,),
    "storageClass": (str,), "temporaryHold": (bool,), "eventBasedHold": (bool,),
    "kmsKeyName": (str,), "contexts": (dict,),
}  # fmt: skip
_OUTPUT_ONLY: Final = frozenset({
    "kind", "id", "selfLink", "mediaLink", "name", "bucket", "generation", "metageneration", "etag",
    "size", "md5Hash", "crc32c", "timeCreated", "updated", "timeStorageClassUpdated",
    "projectNumber",
    "componentCount", "owner", "acl", "timeDeleted", "timeFinalized", "retention",
    "retentionExpirationTime", "customerEncryption", "softDeleteTime", "hardDeleteTime",
    "restoreToken", "locationType", "satisfiesPZS", "satisfiesPZI",
})  # fmt: skip
"""Members that the service sets, which clients send back."""


def about(
    body: Mapping[str, Any], known: Mapping[str, tuple[type, ...]], kind: str
) -> dict[str, Any]:
    """Return what a client says of a bucket or an object.

    Args:
        body: The body.
        known: The members that it may have.
        kind: What it is of, for the refusal.

    Raises:
        Refusal: A member is unknown, or of another type.
    """
    held: dict[str, Any] = {}
    for name, value in body.items():
        types = known.get(name)
        if types is None:
            if name in _OUTPUT_ONLY:
                continue
            raise Refusal(
                "INVALID_ARGUMENT", f"Unknown name '{name}' of a {kind}.", reason="parseError"
            )
        if value is not None and not isinstance(value, types):
            raise Refusal(
                "INVALID_ARGUMENT", f"Invalid value for '{name}' of a {kind}.", reason="invalid"
            )
        held[name] = value
    if isinstance(held.get("metadata"), dict):
        for key, value in held["metadata"].items():
            if value is not None and not isinstance(value, str):
                text = f"Invalid value for 'metadata.{key}': a text is expected."
                raise Refusal("INVALID_ARGUMENT", text, reason="invalid")
    return held


def object_about(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a client says of an object."""
    held = about(body, _OBJECT_MEMBERS, "object")
    return {key: value for key, value in held.items() if value is not None}


def described(bucket: Bucket, one: Blob) -> dict[str, Any]:
    """Return an object as the JSON API has it."""
    from urllib.parse import quote

    place = f"https://www.googleapis.com{_B}/{bucket.name}/o/{quote(one.name, safe='')}"
    media = place.replace("www.googleapis.com/", f"{STORAGE}/download/")
    body: dict[str, Any] = {
        "kind": "storage#object",
        "id": f"{bucket.name}/{one.name}/{one.generation}",
        "selfLink": place,
        "mediaLink": f"{media}?generation={one.generation}&alt=media",
        "name": one.name,
        "bucket": bucket.name,
        "generation": str(one.generation),
        "metageneration": str(one.metageneration),
        "size": str(one.size),
        "crc32c": one.crc32c,
        "etag": one.etag,
        "storageClass": bucket.about.get("storageClass", "STANDARD"),
        "timeCreated": written(one.created),
        "timeStorageClassUpdated": written(one.created),
        "timeFinalized": written(one.created),
        "updated": written(one.updated),
        **one.about,
    }
    if one.md5:
        body["md5Hash"] = one.md5
    if one.parts:
        body["componentCount"] = one.parts
    if one.deleted is not None:
        body["timeDeleted"] = written(one.deleted)
    return body


def _shown(bucket: Bucket) -> dict[str, Any]:
    held: dict[str, Any] = {
        "kind": "storage#bucket",
        "id": bucket.name,
        "name": bucket.name,
        "selfLink": f"https://www.googleapis.com{_B}/{bucket.name}",
        "projectNumber": bucket.project,
        "metageneration": str(bucket.metageneration),
        "etag": f"CA{bucket.metageneration}=",
        "location": "US",
        "locationType": "region",
        "storageClass": "STANDARD",
        "timeCreated": written(bucket.created),
        "updated": written(bucket.updated),
        "iamConfiguration": {
            "uniformBucketLevelAccess": {"enabled": True},
            "publicAccessPrevention": "enforced",
        },
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
        **{key: value for key, value in bucket.about.items() if value is not None},
    }
    held["location"] = str(held["location"]).upper()
    if held["location"] in ("US", "EU", "ASIA"):
        held["locationType"] = "multi-region"
    return held


# --- buckets --------------------------------------------------------------------------------------


def _checked(bucket: Bucket, request: Request) -> None:
    """Refuse what stands against a bucket's metageneration."""
    one = Blob(bucket.name, 1, bucket.metageneration, 0, "", "", 0, 0)
    preconditions.of_json(request)(one)


def _insert_bucket(world: World, request: Request, call: Call) -> Reply:
    del call
    project = world.projects.get(request.argument("project"), "storage.buckets.create")
    body = request.json
    name = body.get("name")
    if not isinstance(name, str) or not _BUCKET_NAME.fullmatch(name) or ".." in name:
        raise Refusal("INVALID_ARGUMENT", f"Invalid bucket name: '{name}'", reason="invalid")
    held = about(body, _BUCKET_MEMBERS, "bucket")
    held.pop("name")
    return json_answer(_shown(world.buckets.make(name, project.number, held)))


def _list_buckets(world: World, request: Request, call: Call) -> Reply:
    del call
    project = world.projects.get(request.argument("project"), "storage.buckets.list")
    prefix = request.argument("prefix")
    held = [one for one in world.buckets.all(project.number) if one.name.startswith(prefix)]
    part, token = _page(held, request)
    items = [_shown(one) for one in part]
    return json_answer({"kind": "storage#buckets", "items": items, **token})


def _get_bucket(world: World, request: Request, call: Call, bucket: str) -> Reply:
    del call
    held = world.buckets.get(bucket)
    _checked(held, request)
    return json_answer(_shown(held))


def _patch_bucket(world: World, request: Request, call: Call, bucket: str) -> Reply:
    del call
    held = world.buckets.get(bucket)
    _checked(held, request)
    body = about(request.json, _BUCKET_MEMBERS, "bucket")
    with world.buckets.lock:
        before: dict[str, Any] = {} if request.method == "PUT" else held.about
        held.about = _merged(before, {key: one for key, one in body.items() if key != "name"})
        held.metageneration += 1
        held.updated = world.clock.now()
    return json_answer(_shown(held))


def _merged(before: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object changed as a patch says: null removes a member."""
    held = dict(before)
    for key, value in change.items():
        if value is None:
            held.pop(key, None)
        elif isinstance(value, dict):
            inner = held.get(key)
            held[key] = _merged(cast("dict[str, Any]", inner) if isinstance(inner, dict) else {},
                                cast("dict[str, Any]", value))  # fmt: skip
        else:
            held[key] = value
    return held


def _delete_bucket(world: World, request: Request, call: Call, bucket: str) -> Reply:
    del call
    held = world.buckets.get(bucket)
    _checked(held, request)
    world.buckets.remove(held)
    world.projects.policies.pop(f"buckets/{held.name}", None)
    return json_answer(None, 204)


def _policy(world: World, request: Request, call: Call, bucket: str) -> Reply:
    del call
    held = world.buckets.get(bucket)
    place = f"buckets/{held.name}"
    if request.method == "PUT":
        body = request.json
        if not isinstance(body.get("bindings", []), list):
            raise Refusal("INVALID_ARGUMENT", "Invalid value for 'bindings'.", reason="invalid")
        world.projects.policies[place] = {
            "bindings": body.get("bindings", []), "version": body.get("version", 1)
        }  # fmt: skip
    policy = world.projects.policies.get(place, {"bindings": [], "version": 1})
    return json_answer(
        {"kind": "storage#policy", "resourceId": f"projects/_/{place}", "etag": "CAE=", **policy}
    )


def _test_permissions(world: World, request: Request, call: Call, bucket: str) -> Reply:
    del call
    world.buckets.get(bucket)
    asked = request.query.get("permissions", [])
    return json_answer({"kind": "storage#testIamPermissionsResponse", "permissions": asked})


# --- objects --------------------------------------------------------------------------------------


def object_of(world: World, request: Request, bucket: str, name: str) -> tuple[Bucket, Blob]:
    """Return the object that a request names, its preconditions held against it.

    Raises:
        Refusal: There is none, or a precondition does not hold.
    """
    held = world.buckets.get(bucket)
    text = request.argument("generation")
    number = preconditions.number(text, "generation") if text else None
    one = world.buckets.find_object(held, name, number)
    if one is None:
        raise absent(bucket, name)
    preconditions.of_json(request)(one)
    return held, one


def absent(bucket: str, name: str) -> Refusal:
    """Return the refusal of an object that there is not."""
    return Refusal("NOT_FOUND", f"No such object: {bucket}/{name}")


def _get(world: World, request: Request, call: Call, bucket: str, name: str) -> Reply:
    del call
    held, one = object_of(world, request, bucket, name)
    if request.argument("alt") == "media":
        return served(world.buckets.path(held, one), one, request)
    return json_answer(described(held, one))


def _change(world: World, request: Request, call: Call, bucket: str, name: str) -> Reply:
    del call
    held, one = object_of(world, request, bucket, name)
    body = about(request.json, _OBJECT_MEMBERS, "object")
    before: dict[str, Any] = {} if request.method == "PUT" else one.about
    return json_answer(described(held, world.buckets.change(held, one, _merged(before, body))))


def _delete(world: World, request: Request, call: Call, bucket: str, name: str) -> Reply:
    del call
    held, one = object_of(world, request, bucket, name)
    world.buckets.delete(held, one, forever=bool(request.argument("generation")))
    return json_answer(None, 204)


def _list(world: World, request: Request, call: Call, bucket: str) -> Reply:
    del call
    held = world.buckets.get(bucket)
    prefix, delimiter = request.argument("prefix"), request.argument("delimiter")
    if request.argument("softDeleted").lower() == "true":
        raise unanswered("soft-deleted objects", "use object versions")
    blobs = list(world.buckets.list(held, prefix))
    if request.argument("versions").lower() == "true":
        blobs += [one for one in held.archived if one.name.startswith(prefix)]
        blobs.sort(key=lambda one: (one.name, one.generation))
    entries = grouped(
        blobs, prefix, delimiter, request.argument("startOffset"), request.argument("endOffset")
    )
    glob = request.argument("matchGlob")
    if glob:
        expression = _globbed(glob)
        entries = [one for one in entries if isinstance(one, Blob) and expression(one.name)]
    part, token = _page(entries, request)
    body: dict[str, Any] = {"kind": "storage#objects", **token}
    items = [described(held, one) for one in part if isinstance(one, Blob)]
    prefixes = [one for one in part if isinstance(one, str)]
    if items:
        body["items"] = items
    if prefixes:
        body["prefixes"] = prefixes
    return json_answer(body)


def grouped(
    blobs: list[Blob], prefix: str, delimiter: str, start: str = "", end: str = ""
) -> list[Blob | str]:
    """Return a listing in the order of its names: objects, and prefixes that stand for many.

    Args:
        blobs: The objects.
        prefix: What their names begin with.
        delimiter: What ends a prefix; "" for none.
        start: The first name.
        end: What no name reaches; "" for no end.
    """
    entries: dict[tuple[str, int], Blob | str] = {}
    for one in blobs:
        if one.name < start or (end and one.name >= end):
            continue
        rest = one.name[len(prefix) :]
        if delimiter and delimiter in rest:
            head = prefix + rest[: rest.index(delimiter) + len(delimiter)]
            entries[head, 0] = head
        else:
            entries[one.name, one.generation] = one
    return [entries[key] for key in sorted(entries)]


def _globbed(glob: str) -> Callable[[str], bool]:
    parts = re.split(r"(\*\*|\*|\?)", glob)
    words = {"**": ".*", "*": "[^/]*", "?": "[^/]"}
    pattern = re.compile("".join(words.get(part, re.escape(part)) for part in parts), re.DOTALL)
    return lambda name: pattern.fullmatch(name) is not None


def _page(entries: list[Any], request: Request) -> tuple[list[Any], dict[str, str]]:
    text = request.argument("maxResults") or str(_LARGEST_PAGE)
    size = preconditions.number(text, "maxResults")
    if size < 1:
        raise Refusal("INVALID_ARGUMENT", "Invalid value for 'maxResults'.", reason="invalid")
    try:
        part, token = page(entries, min(size, _LARGEST_PAGE), request.argument("pageToken") or None)
    except ValueError as error:
        raise Refusal("INVALID_ARGUMENT", str(error), reason="invalid") from None
    return list(part), {"nextPageToken": token} if token else {}


def _compose(world: World, request: Request, call: Call, bucket: str, name: str) -> Reply:
    del call
    held, body = world.buckets.get(bucket), request.json
    sources: Any = body.get("sourceObjects")
    if not isinstance(sources, list) or not 1 <= len(sources) <= _MOST_PARTS:
        text = f"The number of source components must be from 1 to {_MOST_PARTS}."
        raise Refusal("INVALID_ARGUMENT", text, reason="invalid")
    destination = body.get("destination") or {}
    if not isinstance(destination, dict):
        raise Refusal("INVALID_ARGUMENT", "Invalid value for 'destination'.", reason="invalid")
    parts: list[Blob] = []
    for source in sources:
        if not isinstance(source, dict) or not isinstance(source.get("name"), str):
            raise Refusal("INVALID_ARGUMENT", "A source component has no name.", reason="invalid")
        generation = source.get("generation")
        number = None if generation is None else preconditions.number(str(generation), "generation")
        one = world.buckets.find_object(held, source["name"], number)
        if one is None:
            raise absent(bucket, source["name"])
        if isinstance(source.get("objectPreconditions"), dict):
            wish = source["objectPreconditions"].get("ifGenerationMatch")
            if wish is not None and str(wish) != str(one.generation):
                raise Refusal("FAILED_PRECONDITION", "The source has changed.", status=412)
        parts.append(one)
    draft = world.buckets.draft()
    with draft.open("wb") as file:
        for one in parts:
            file.write(world.buckets.path(held, one).read_bytes())
    count = sum(max(one.parts, 1) for one in parts)
    made = world.buckets.put(
        held, name, draft, object_about(destination) or {"contentType": OCTETS},
        check=preconditions.of_json(request), parts=count,
    )  # fmt: skip
    return json_answer(described(held, made))


def _copy(
    world: World, request: Request, call: Call, bucket: str, name: str, target: str, other: str
) -> Reply:
    del call
    source, wanted = world.buckets.get(bucket), world.buckets.get(target)
    text = request.argument("sourceGeneration")
    number = preconditions.number(text, "sourceGeneration") if text else None
    one = world.buckets.find_object(source, name, number)
    if one is None:
        raise absent(bucket, name)
    preconditions.of_json(request, "Source")(one)
    body = object_about(request.json)
    draft = world.buckets.draft()
    draft.write_bytes(world.buckets.path(source, one).read_bytes())
    said = {**one.about, **body} if not body else {"contentType": OCTETS, **body}
    if not body:
        said.pop("kmsKeyName", None)
    key = request.argument("destinationKmsKeyName")
    if key:
        said["kmsKeyName"] = key
    made = world.buckets.put(wanted, other, draft, said, check=preconditions.of_json(request))
    if "/moveTo/" in request.path:
        world.buckets.delete(source, one)
    if "/rewriteTo/" not in request.path:
        return json_answer(described(wanted, made))
    return json_answer(
        {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(made.size),
            "objectSize": str(made.size),
            "done": True,
            "resource": described(wanted, made),
        }
    )


def _move(world: World, request: Request, call: Call, bucket: str, name: str, other: str) -> Reply:
    return _copy(world, request, call, bucket, name, bucket, other)


def _account(world: World, request: Request, call: Call, project: str) -> Reply:
    del request, call
    held = world.projects.get(project)
    email = f"service-{held.number}@gs-project-accounts.iam.gserviceaccount.com"
    return json_answer({"kind": "storage#serviceAccount", "email_address": email})


_NAMED: Final = f"{_O}/{{name}}"
ROUTES: Final = [
    Route("POST", STORAGE, _B, "buckets.insert", _insert_bucket, How.RUN, "storage.buckets.create"),
    Route("GET", STORAGE, _B, "buckets.list", _list_buckets, How.STATE, "storage.buckets.list"),
    Route("GET", STORAGE, f"{_B}/{{bucket}}", "buckets.get", _get_bucket, How.STATE,
          "storage.buckets.get"),
    Route("PATCH", STORAGE, f"{_B}/{{bucket}}", "buckets.patch", _patch_bucket, How.RECORD,
          "storage.buckets.update"),
    Route("PUT", STORAGE, f"{_B}/{{bucket}}", "buckets.update", _patch_bucket, How.RECORD,
          "storage.buckets.update"),
    Route("DELETE", STORAGE, f"{_B}/{{bucket}}", "buckets.delete", _delete_bucket, How.RUN,
          "storage.buckets.delete"),
    Route("GET", STORAGE, f"{_B}/{{bucket}}/iam/testPermissions", "buckets.testIamPermissions",
          _test_permissions, How.STATE),
    Route("GET", STORAGE, f"{_B}/{{bucket}}/iam", "buckets.getIamPolicy", _policy, How.STATE,
          "storage.buckets.getIamPolicy"),
    Route("PUT", STORAGE, f"{_B}/{{bucket}}/iam", "buckets.setIamPolicy", _policy, How.RECORD,
          "storage.buckets.setIamPolicy"),
    Route("GET", STORAGE, _O, "objects.list", _list, How.STATE, "storage.objects.list"),
    Route("POST", STORAGE, f"{_NAMED}/compose", "objects.compose", _compose, How.RUN,
          "storage.objects.create"),
    *(Route("POST", STORAGE, f"{_NAMED}/{verb}/b/{{target}}/o/{{other}}", f"objects.{word}", _copy,
            How.RUN, "storage.objects.create")
      for verb, word in (("rewriteTo", "rewrite"), ("copyTo", "copy"))),
    Route("POST", STORAGE, f"{_NAMED}/moveTo/o/{{other}}", "objects.move", _move, How.RUN,
          "storage.objects.move"),
    Route("GET", STORAGE, _NAMED, "objects.get", _get, How.STATE, "storage.objects.get"),
    Route("GET", STORAGE, f"/download{_NAMED}", "objects.get", _get, How.STATE,
          "storage.objects.get", {"alt": "media"}),
    Route("PATCH", STORAGE, _NAMED, "objects.patch", _change, How.RECORD, "storage.objects.update"),
    Route("PUT", STORAGE, _NAMED, "objects.update", _change, How.RECORD, "storage.objects.update"),
    Route("DELETE", STORAGE, _NAMED, "objects.delete", _delete, How.RUN, "storage.objects.delete"),
    Route("GET", STORAGE, "/storage/v1/projects/{project}/serviceAccount", "serviceAccount.get",
          _account, How.STATE, "resourcemanager.projects.get"),
]  # fmt: skip
