"""`waterflow validate`: trace, check and compile a pipeline, starting nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from waterflow.cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from waterflow.cli.targets import Target
    from waterflow.errors import Gathering, WaterflowError
    from waterflow.language.pipeline import Call
    from waterflow.provider import Provider


@click.command("validate")
@options.target
@options.parameters
@options.profile
@options.as_json
@click.pass_context
def command(
    context: click.Context,
    target: str,
    parameters: tuple[str, ...],
    profile: str | None,
    as_json: bool,
) -> None:
    """Check the pipeline in TARGET: definition, code, data, the provider's features and limits.

    All that is wrong is told at once.
    """
    from waterflow.cli.ending import tell
    from waterflow.cli.output import print_json
    from waterflow.cli.targets import load_all
    from waterflow.errors import Gathering

    shared = Gathering()
    reports: list[_Report] = []
    for source in load_all(target, shared):
        errors = Gathering()
        call = _defined(source, parameters, errors)
        _check(source, call, profile, errors)
        reports.append(_Report(source, call, errors.errors))
    unique: dict[str, WaterflowError] = {}
    for problem in (*shared.errors, *(one for report in reports for one in report.problems)):
        unique.setdefault(str(problem), problem)
    if as_json:
        problems = [
            {"kind": type(problem).__name__, "message": text} for text, problem in unique.items()
        ]
        whole: dict[str, Any] = {"valid": not problems, "problems": problems}
        if len(reports) == 1:
            print_json(reports[0].document() | whole)
        else:
            print_json(whole | {"pipelines": [report.document() for report in reports]})
    for report in () if as_json else reports:
        if not report.problems and not shared.errors:
            report.tell()
    for text in () if as_json else unique:
        tell(text)
    context.exit(next(iter(unique.values())).exit_code if unique else 0)


@dataclass(frozen=True)
class _Report:
    """What was found out about one pipeline.

    Attributes:
        source: The pipeline.
        call: What of its definition is sound; None where it ends at its mistake.
        problems: What is wrong with it.
    """

    source: Target
    call: Call | None
    problems: Sequence[WaterflowError]

    def document(self) -> dict[str, Any]:
        """Return it for `--json`."""
        spec = None if self.call is None else self.call.spec
        return {
            "valid": not self.problems,
            "pipeline": self.source.pipeline.name,
            "steps": None if spec is None else len(spec.steps),
            "parameters": None if spec is None else sorted(spec.parameters),
        }

    def tell(self) -> None:
        """Say that it is valid."""
        from waterflow.cli.output import show_count

        if self.call is not None:
            spec = self.call.spec
            gates = show_count(len(spec.gates), "condition")
            click.echo(f"{spec.name} is valid: {show_count(len(spec.steps), 'step')}, {gates}")


def _defined(source: Target, parameters: tuple[str, ...], errors: Gathering) -> Call | None:
    """Return what of a definition is sound; None where it ends at its mistake."""
    from waterflow.language.gathering import gathered

    with gathered(errors):
        return source.call(parameters)
    return None  # pyright: ignore[reportUnreachable] - the block may have ended at a mistake


def _check(target: Target, call: Call | None, profile: str | None, errors: Gathering) -> None:
    """Gather what stands in the way of a run beside the definition itself.

    A document cannot be made of what the provider refuses: what of it breaks limits is then found
    in the rest.
    """
    from waterflow.provider.discovery import open_provider

    provider: Provider | None = None
    with errors:
        provider = open_provider(target.root, profile)
        provider.check_settings()
    if provider is not None and call is not None:
        _check_build(target, call, provider, errors)


def _check_build(target: Target, call: Call, provider: Provider, errors: Gathering) -> None:
    import dataclasses

    from waterflow.errors import ConfigurationError
    from waterflow.provider.capabilities import unsupported, without_unsupported
    from waterflow.runs.submit import assemble
    from waterflow.spec.parameters import check_length

    with errors:
        refused = list(unsupported(call.spec, provider.name, provider.capabilities))
        for error in refused:
            errors.add(error)
        limit = provider.capabilities.parameter_length
        with errors:
            check_length(call.spec.name, call.parameters, limit, provider.name)
        build = assemble(call, target.root, provider.profile, errors)
        if refused:
            build = dataclasses.replace(build, spec=without_unsupported(build.spec, refused))
        document = provider.compile(build)
        for violation in provider.check(build, document):
            errors.add(ConfigurationError(violation))
