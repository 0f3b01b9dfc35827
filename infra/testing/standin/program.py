"""Runs a stack's program as Pulumi's Python host does; itself runs in the stack's Python.

Standard input brings one JSON object: the addresses of monitor and engine, project, stack,
organization, config, its secret keys, whether this is a preview, and the folder of the program.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import sys
import traceback
from pathlib import Path

import pulumi
from pulumi.runtime import Settings, configure, run_in_stack, set_all_config


def main() -> int:
    """Run the program and return the process's exit code."""
    order = json.load(sys.stdin)
    folder = Path(order["folder"])
    os.chdir(folder)
    sys.argv = [str(folder / "__main__.py")]
    sys.path.insert(0, str(folder))
    configure(
        Settings(
            monitor=order["monitor"],
            engine=order["engine"],
            project=order["project"],
            stack=order["stack"],
            organization=order["organization"],
            parallel=16,
            dry_run=order["preview"],
            root_directory=str(folder),
        )
    )
    set_all_config(order["config"], order["secret_keys"])
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    def program() -> None:
        runpy.run_path(str(folder / "__main__.py"), run_name="__main__")

    try:
        loop.run_until_complete(run_in_stack(program))
    except pulumi.RunError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except BaseException:  # noqa: BLE001 whatever the program raised is told, and its code says so
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # gRPC's threads would hold the process
