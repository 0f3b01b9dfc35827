import ast
import subprocess
import sys
from pathlib import Path

import waterflow
from waterflow.packing import bundle, shipping

BARE = """
import sys
sys.path.insert(0, sys.argv[1])
import waterflow as wf
import waterflow.runtime.supervisor, waterflow.runtime.execute, waterflow.artifacts
import waterflow.tracking.spool
import steps
assert steps.double(2) == 4
from importlib.metadata import entry_points
print(sorted(point.name for point in entry_points(group='mlflow.tracking_store')))
print(sorted(name for name in sys.modules if name.partition('.')[0] in ('msgspec', 'mlflow')))
"""


def test_a_bundle_is_enough_for_a_bare_interpreter(tmp_path: Path) -> None:
    source = (
        "import waterflow as wf\n"
        "@wf.step(cpu=2, memory='1GiB', gpu=1, retries=2, timeout='1h', env={'A': 'b'},\n"
        "         secrets={'KEY': wf.secret('name')})\n"
        "def double(x: int) -> int:\n    return 2 * x\n"
        "@wf.pipeline\n"
        "def doubled(x: int = 1, source: wf.Data = wf.Data('a.csv')):\n    double(x)\n"
    )
    root = tmp_path / "root"
    root.mkdir()
    (root / "steps.py").write_text(source)
    folder = shipping.write(bundle.build("steps", root), tmp_path / "bundles")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", "-c", BARE, str(folder)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["['waterflow-spool']", "[]"]


def test_what_a_job_part_imports_at_once_is_a_job_part() -> None:
    package = Path(waterflow.__file__).parent
    packed = bundle.build("waterflow.language.step", package.parent)
    for path in packed.files:
        if not path.endswith(".py"):
            continue
        for statement in ast.parse((package.parent / path).read_text()).body:
            if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith(
                "waterflow"
            ):
                base = (statement.module or "").replace(".", "/")
                for alias in statement.names:
                    places = {
                        f"{base}.py",
                        f"{base}/{alias.name}.py",
                        f"{base}/{alias.name}/__init__.py",
                    }
                    package_init = {f"{base}/__init__.py"} if base != "waterflow" else set[str]()
                    assert (places | package_init) & set(packed.files), (
                        f"{path}: {ast.unparse(statement)}"
                    )
