"""A document against the toy cloud's limits, and against itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from waterflow_toycloud.limits import used

if TYPE_CHECKING:
    from waterflow.cloud.document import CloudDocument


def document_errors(document: CloudDocument) -> list[str]:
    """Return what the toy cloud would refuse of a document, a line each."""
    errors = [
        f"{limit.used} {limit.what}, of which there may be {limit.most}"
        for limit in used(document)
        if limit.used > limit.most
    ]
    names: set[str] = set()
    for step in document.definition["steps"]:
        errors += [
            f"step '{step['name']}' waits for '{before}', which does not come before it"
            for before in step["after"]
            if before not in names
        ]
        names.add(step["name"])
    return errors
