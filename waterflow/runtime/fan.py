"""Run-time map: one function over many items, in processes of one job."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from waterflow.runtime.contract import BAD_OUTPUT, FAILED
from waterflow.runtime.failure import Failure, Terminated, from_exception, from_serializer
from waterflow.runtime.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    Save = Callable[[Any, int], None]

_work: tuple[Callable[..., Any], dict[str, Any], str, list[Any], Save] | None = None


def _one(index: int) -> Failure | None:
    """Call the function for one item and write what it returns; runs in a worker."""
    if _work is None:
        raise RuntimeError("a worker has inherited no work")
    function, fixed, over, items, save = _work
    return call(function, {**fixed, over: items[index]}, index, save)


def call(
    function: Callable[..., Any], arguments: dict[str, Any], index: int, save: Save
) -> Failure | None:
    """Call a function for one item and write what it returns.

    Args:
        function: The step's function.
        arguments: Its arguments, the item among them.
        index: The item's number.
        save: Writes the result of an item, whose number it is given.

    Returns:
        Why it has failed; None when it has not.

    Raises:
        Terminated: SIGTERM came.
    """
    what = f"item {index}"
    try:
        result = function(**arguments)
    except Terminated:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises
        return from_exception(error, FAILED, what)
    try:
        save(result, index)
    except Failure as failure:
        return Failure(failure.code, failure.kind, f"{what}: {failure.message}", failure.detail)
    except Exception as error:  # noqa: BLE001 - exceptions of its own may not survive the way back
        return from_serializer(error, BAD_OUTPUT, what)
    return None


def run(
    function: Callable[..., Any],
    fixed: dict[str, Any],
    over: str,
    items: list[Any],
    save: Save,
    workers: int,
    *,
    skip: bool = False,
    progress: Progress | None = None,
) -> dict[int, Failure]:
    """Call a function once for each item, `workers` at a time, and write what it returns.

    Workers are forked, so items, models and data are shared with them and never pickled.

    Args:
        function: The step's function.
        fixed: The arguments that stay the same.
        over: The argument that takes an item.
        items: The items.
        save: Writes the result of one item, whose number it is given.
        workers: Processes at a time.
        skip: Whether the others go on after an item has failed.
        progress: Is told of each item that ends.

    Returns:
        The items that have failed, by number; none without `skip`.

    Raises:
        Failure: The function raised for an item, its result could not be written, or a worker was
            killed; the first such item is told. With `skip`: no item has succeeded, or a worker was
            killed.
    """
    global _work  # noqa: PLW0603 - what forked workers inherit
    _work = (function, fixed, over, items, save)
    failures: dict[int, Failure] = {}
    alone = workers == 1 or len(items) < 2 or not hasattr(os, "fork")
    watch = progress or Progress(None)
    watch.begin(len(items), 1 if alone else min(workers, len(items)))

    def ended(index: int, outcome: Failure | None) -> None:
        if outcome is not None and not skip:
            raise outcome
        if outcome is not None:
            failures[index] = outcome

    try:
        if alone:
            for index, outcome in enumerate(map(_one, range(len(items)))):
                watch.end(failed=outcome is not None)
                ended(index, outcome)
        else:
            count = min(workers, len(items))
            with ProcessPoolExecutor(count, mp_context=get_context("fork")) as pool:
                futures = [pool.submit(_one, index) for index in range(len(items))]
                for future in futures:
                    future.add_done_callback(watch.ended)
                try:
                    for index, future in enumerate(futures):
                        ended(index, future.result())
                except Failure:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
    except BrokenProcessPool:
        # The pool does not say which item it was: all that were under way end with the worker.
        raise Failure(
            FAILED,
            "WorkerKilled",
            f"one of the {min(workers, len(items))} workers over '{over}' was killed, most often "
            "for want of memory: ask for more with memory=, or for fewer workers with cpu=",
        ) from None
    finally:
        _work = None
        watch.close()
    if failures and len(failures) == len(items):
        first = failures[0]
        message = f"none of the {len(items)} items has succeeded; {first.message}"
        raise Failure(first.code, first.kind, message, first.detail)
    return failures
