"""The landing zone's tables are the application's own."""

import json
from pathlib import Path

import waterflow_sagemaker
from landing_zone.machines import FAMILIES, IMAGE_ACCOUNTS, IMAGE_REPOSITORY, types
from waterflow_sagemaker import images, machines

from tests.infra.conftest import INFRA
from waterflow.project import importing


def test_machines():
    assert sorted(types(FAMILIES)) == sorted(machines.table())


def test_images():
    assert IMAGE_ACCOUNTS == images.ACCOUNTS
    assert f"/{IMAGE_REPOSITORY}:" in images.uri("eu-central-1", next(iter(images.VERSIONS)))


def test_the_form_of_a_profile():
    published = INFRA / "common" / "waterflow_infra" / "profile.schema.json"
    assert json.loads(published.read_text()) == importing.schema()


def test_infra_imports_nothing_of_the_application():
    own = {path.name for path in Path(waterflow_sagemaker.__file__).parent.parent.iterdir()}
    lines = [
        line.strip()
        for part in ("aws", "azure", "common")
        for file in (INFRA / part).rglob("*.py")
        if ".venv" not in file.parts
        for line in file.read_text().splitlines()
    ]
    imports = [
        line.split()[1].split(".")[0] for line in lines if line.startswith(("import ", "from "))
    ]
    assert imports
    assert not {name for name in imports if name == "waterflow" or name in own}
