"""Run-time map: one function over many items, in processes of one job."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from waterflow.runtime.failure import Failure, from_exception

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from waterflow.serializers import Context, Serializer

_work: tuple[Callable[..., Any], dict[str, Any], str, list[Any], Serializer, Context] | None = None


def _one(index: int, folder: Path) -> Failure | None:
    """Call the function for one item and write its result; runs in a worker."""
    if _work is None:
        raise RuntimeError("a worker has inherited no work")
    function, fixed, over, items, serializer, context = _work
    try:
        result = function(**fixed, **{over: items[index]})
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises
        failure = from_exception(error, 1)
        failure.message = f"item {index}: {failure.message}"
        return failure
    folder.mkdir(parents=True)
    serializer.save(result, folder, context)
    return None


def run(
    function: Callable[..., Any],
    fixed: dict[str, Any],
    over: str,
    items: list[Any],
    folder: Path,
    serializer: Serializer,
    context: Context,
    workers: int,
) -> None:
    """Call a function once for each item, `workers` at a time; each result goes to its own folder.

    Workers are forked, so items, models and data are shared with them and never pickled.

    Args:
        function: The step's function.
        fixed: The arguments that stay the same.
        over: The argument that takes an item.
        items: The items.
        folder: Results go to `folder/0`, `folder/1`, ...
        serializer: Writes one result.
        context: What the serializer may know.
        workers: Processes at a time.

    Raises:
        Failure: The function raised for an item; the first such item is told.
        ArtifactError: A result is not of the declared type.
    """
    global _work  # noqa: PLW0603 - what forked workers inherit
    _work = (function, fixed, over, items, serializer, context)
    places = [folder / str(index) for index in range(len(items))]
    try:
        if workers == 1 or len(items) < 2 or not hasattr(os, "fork"):
            outcomes = map(_one, range(len(items)), places)
            for outcome in outcomes:
                if outcome is not None:
                    raise outcome
            return
        count = min(workers, len(items))
        with ProcessPoolExecutor(count, mp_context=get_context("fork")) as pool:
            futures = [pool.submit(_one, i, place) for i, place in enumerate(places)]
            for future in futures:
                outcome = future.result()
                if outcome is not None:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise outcome
    finally:
        _work = None
