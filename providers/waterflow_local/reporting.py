"""The page of a run that has ended, written into its folder for MLflow to keep."""

from __future__ import annotations

from pathlib import Path

from waterflow.provider import REPORT
from waterflow_local.document import read_submitted
from waterflow_local.folders import RunFolder


def write(folder: Path) -> str:
    """Write a run's page into its folder.

    Args:
        folder: The run's folder.

    Returns:
        The name of the file.

    Raises:
        WaterflowError: The project's profile is no longer there, or not usable.
        OSError: The file cannot be written.
    """
    from waterflow.provider.discovery import open_provider
    from waterflow.report import Gathering, page
    from waterflow.runs.run import Run

    submitted = read_submitted(RunFolder(folder))
    profile = submitted.basis.profile if submitted.basis is not None else None
    run = Run(folder.name, open_provider(Path(submitted.root), profile))
    state = run.state
    run.explain(state)
    (folder / REPORT).write_text(
        page(Gathering(run.provider, run.id).report(state)), encoding="utf-8"
    )
    return REPORT
