"""How the service lists jobs: which it keeps, in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waterflow_sagemaker.emulator.paging import descending, page, within

if TYPE_CHECKING:
    from collections.abc import Sequence


def listed(
    rows: list[dict[str, Any]], request: dict[str, Any], noun: str
) -> tuple[Sequence[dict[str, Any]], dict[str, str]]:
    """Return a page of jobs, and the member NextToken if there are more.

    Args:
        rows: All jobs' rows.
        request: The request's NameContains, StatusEquals, bounds of CreationTime and
            LastModifiedTime, SortBy, SortOrder, MaxResults and NextToken.
        noun: "Processing" or "Training".

    Raises:
        ServiceError: The token is none of ours.
    """
    name, status = f"{noun}JobName", f"{noun}JobStatus"
    part, equal = request.get("NameContains", "").lower(), request.get("StatusEquals")
    kept = [row for row in rows if part in row[name].lower() and equal in (None, row[status])]
    for field in ("CreationTime", "LastModifiedTime"):

        def moment(row: dict[str, Any], field: str = field) -> float:
            return float(row[field].timestamp())

        kept = within(kept, request, moment, (f"{field}After", f"{field}Before"))
    by = {"Name": name, "Status": status}.get(request.get("SortBy", ""), "CreationTime")
    kept.sort(key=lambda row: row[by], reverse=descending(request))
    return page(kept, request)
