"""MLflow imported without the libraries of data science."""

import json
import subprocess
import sys

import pytest

LEAN = """
import json, sys
from waterflow.tracking import lean
lean._UNNEEDED += {more}
lean.import_mlflow()
import mlflow
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
loaded = sorted(name for name in lean._UNNEEDED if name in sys.modules)
import pandas
print(json.dumps([loaded, len(pandas.DataFrame([1])), hasattr(mlflow.data, "from_pandas")]))
"""


@pytest.mark.parametrize(
    ("more", "spared"),
    [((), True), (("fastapi",), False)],
    ids=["as it is", "a release that needs one of them"],
)
def test_mlflow_is_imported_in_any_case(more, spared):
    code = LEAN.format(more=more)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, rows, tables = json.loads(done.stdout)
    assert rows == 1
    assert tables != spared
    assert ("pandas" in loaded) != spared
    assert ("fastapi" in loaded) != spared
