"""`waterflow schema`: print the JSON Schema of a document."""

from __future__ import annotations

import click

from waterflow.cli import options


@click.command("schema")
@click.argument(
    "document", metavar="DOCUMENT", type=click.Choice(["spec", "pipeline", "plan", "profile"])
)
@options.output
@click.option("--json", "as_json", is_flag=True, help="Nothing else: the answer is always JSON.")
def command(document: str, output: str | None, as_json: bool) -> None:
    """Print the JSON Schema of DOCUMENT.

    It is spec, pipeline (for pipeline.yaml), plan, or profile (as a stack exports it).
    """
    del as_json
    from waterflow.cli.output import json_text, write

    if document == "spec":
        from waterflow.spec import schema

        content = schema()
    elif document == "pipeline":
        from waterflow.yaml_pipeline import schema

        content = schema()
    elif document == "profile":
        from waterflow.project.importing import schema

        content = schema()
    else:
        import msgspec

        from waterflow.runs.plan import Plan

        content = msgspec.json.schema(Plan)
    write(json_text(content), output)
