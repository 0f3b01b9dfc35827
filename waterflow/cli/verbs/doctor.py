"""`waterflow doctor`: check this machine and this project."""

from __future__ import annotations

import click

from waterflow.cli import options


@click.command("doctor")
@click.argument("target", metavar="[TARGET]", required=False)
@options.profile
@options.as_json
@click.pass_context
def command(context: click.Context, target: str | None, profile: str | None, as_json: bool) -> None:
    """Check this machine and this project, with a hint for whatever is wrong.

    With a cloud's profile, also what runs need there: credentials, bucket, roles, images. With
    TARGET, also the secrets that its pipeline names. Exit code 3 when something is broken that a
    run needs.
    """
    from waterflow.cli.checks import examine
    from waterflow.cli.output import print_json, table
    from waterflow.cli.project import here
    from waterflow.errors import ConfigurationError

    pipeline, root = None, here()
    if target is not None:
        from waterflow.cli.targets import load

        source = load(target)
        pipeline, root = source.call().spec, source.root
    checks = examine(root, profile, pipeline)
    broken = any(check.state == "broken" for check in checks)
    if as_json:
        print_json(
            {
                "ok": not broken,
                "checks": [
                    {"name": c.name, "state": c.state, "found": c.finding, "hint": c.hint or None}
                    for c in checks
                ],
            }
        )
    else:
        rows = [(c.name, c.state, c.finding) for c in checks]
        table(("check", "state", "found"), rows)
        for check in checks:
            if check.hint:
                click.echo(f"{check.name}: {check.hint}")
    context.exit(ConfigurationError.exit_code if broken else 0)
