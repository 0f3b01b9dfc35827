"""`wf.serializer`: what may be given, and what is told of the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import waterflow as wf
from tests.models.projects import Project
from waterflow import artifacts
from waterflow.artifacts import own
from waterflow.errors import ArtifactError, DefinitionError


class Pair(NamedTuple):
    left: int
    right: int


class Silent:
    pass


class Own:
    def save(self, path: Path) -> None:
        path.write_text("own")

    @classmethod
    def load(cls, path: Path) -> Own:
        assert path.read_text() == "own"
        return cls()


class Derived(Own):
    pass


@dataclass
class Weights:
    values: list[float]


def write(_value: object, path: Path) -> None:
    path.write_text("")


def read(_path: Path) -> Any:
    return Silent()


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test begin without serializers, and leave none."""
    monkeypatch.setattr(own, "_given", {})


WAYS: dict[str, Any] = {"save": write, "load": read}

MISTAKES: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "a_value": ((3,), WAYS, "give the class whose values"),
    "plain_data": ((dict,), WAYS, "Waterflow keeps dict itself"),
    "anything": ((object,), WAYS, "keeps object itself"),
    "metrics": ((wf.Metrics,), WAYS, "keeps Metrics itself"),
    "several_outputs": ((Pair,), WAYS, "several outputs"),
    "no_way": ((Silent,), {}, "needs both ways: give the class the methods save"),
    "one_way": ((Silent,), {"save": write}, "needs both ways"),
    "folder": ((Silent,), WAYS | {"file": "a/b"}, "without a folder"),
    "manifest": ((Silent,), WAYS | {"file": "manifest.json"}, "Waterflow's own"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_line(mistake: str) -> None:
    arguments, options, message = MISTAKES[mistake]
    with pytest.raises(DefinitionError, match=message) as caught:
        wf.serializer(*arguments, **options)
    assert Path(__file__).name in str(caught.value.location)


def test_two_serializers_of_one_class_are_told() -> None:
    wf.serializer(Silent, save=write, load=read)
    with pytest.raises(DefinitionError, match=r"has two serializers: here, and at .*mistakes\.py:"):
        wf.serializer(Silent, save=write, load=read)
    for _ in range(2):  # the same line, as when its module is imported anew
        wf.serializer(Own)


def trip(kind: type, value: object, folder: Path) -> Any:
    name = artifacts.type_name(kind)
    assert name is not None
    artifacts.by_name(name).save(value, folder, artifacts.Context())
    return artifacts.by_name(name).load(folder, kind, artifacts.Context())


def test_the_nearest_class_decides_and_a_class_is_no_longer_plain(tmp_path: Path) -> None:
    assert artifacts.type_name(Weights) == "json"
    assert artifacts.type_name(Own) is None
    wf.serializer(Own)
    wf.serializer(Weights, save=write, load=lambda path: Weights([]))
    assert artifacts.type_name(Weights) == f"{__name__}:Weights"
    assert artifacts.type_name(Derived) == artifacts.type_name(Own) == f"{__name__}:Own"
    assert artifacts.type_name(list[Own]) == f"list[{__name__}:Own]"
    assert artifacts.compatible(f"{__name__}:Own", f"{__name__}:Own")
    assert not artifacts.compatible(f"{__name__}:Own", f"{__name__}:Weights")
    assert isinstance(trip(Own, Own(), tmp_path), Own)


def test_what_a_serializer_does_wrong_is_told(tmp_path: Path) -> None:
    wf.serializer(Silent, save=lambda value, path: None, load=read)
    with pytest.raises(ArtifactError, match="has written nothing to the path"):
        trip(Silent, Silent(), tmp_path)
    with pytest.raises(ArtifactError, match="A Silent is expected"):
        trip(Silent, 3, tmp_path)
    wf.serializer(Weights, save=write, load=read)
    with pytest.raises(ArtifactError, match="has read a Silent where Weights is declared"):
        trip(Weights, Weights([]), tmp_path)


FLOW = """
    import sys
    from typing import Any

    import waterflow as wf
    {imports}

    @wf.step
    def make() -> {annotation}:
        return {value}

    @wf.step
    def use(thing: {reader}) -> str:
        return type(thing).__name__

    @wf.pipeline
    def flow():
        use(make())
"""
THINGS = """
    import waterflow as wf

    class Thing:
        pass

    class Other:
        pass

    wf.serializer(Thing, save=lambda thing, path: path.write_text("x"), load=lambda path: Thing())
"""


def test_a_class_that_nothing_keeps_says_how_to(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("things.py", THINGS)
    parts = {"imports": "from things import Other", "reader": "Other"}
    project.write("flow.py", FLOW.format(annotation="Other", value="Other()", **parts))
    done = project.waterflow("validate", "flow.py")
    assert done.returncode == 2
    assert "wf.serializer(Other, save=..., load=...)" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_of_anything_is_told_what_to_write(tmp_path: Path) -> None:
    """Its job has not the module, of which nothing in its signature speaks."""
    project = Project(tmp_path)
    project.write("things.py", THINGS)
    project.write("use.py", """
        from typing import Any

        import waterflow as wf

        @wf.step
        def use(thing: Any) -> str:
            return type(thing).__name__
        """)  # fmt: skip
    project.write("flow.py", """
        import waterflow as wf
        from things import Thing
        from use import use

        @wf.step
        def make() -> Thing:
            return Thing()

        @wf.pipeline
        def flow():
            use(make())
        """)  # fmt: skip
    done = project.waterflow("run", "flow.py")
    assert done.returncode == 1
    text = done.stdout + done.stderr
    assert "Thing is kept by a serializer of the project's own, in module 'things'" in text
    assert "annotate the argument with Thing" in text


def test_an_edit_of_how_a_class_is_kept_reruns_who_writes_and_reads_it(tmp_path: Path) -> None:
    project = Project(tmp_path)
    things = project.write("things.py", THINGS)
    project.write("reading.py", """
        from fractions import Fraction

        import waterflow as wf

        @wf.step
        def other() -> int:
            return 1

        @wf.step
        def use(value: Fraction) -> str:
            return str(value)
        """)  # fmt: skip
    project.write("kept.py", """
        from fractions import Fraction

        import waterflow as wf

        wf.serializer(
            Fraction,
            save=lambda value, path: path.write_text(str(value)),
            load=lambda path: Fraction(path.read_text()),
        )
        """)  # fmt: skip
    project.write("making.py", """
        from fractions import Fraction

        import waterflow as wf

        @wf.step
        def make() -> Fraction:
            return Fraction(1, 3)
        """)  # fmt: skip
    project.write("flow.py", """
        import kept
        import things
        import waterflow as wf
        from making import make
        from reading import other, use

        @wf.pipeline
        def flow():
            other()
            use(make())
        """)  # fmt: skip
    assert project.waterflow("run", "flow.py").returncode == 0

    def changed() -> set[str]:
        plan = project.waterflow("plan", "flow.py")
        assert plan.returncode == 0, plan.stderr
        return set(re.findall(r"~ code (\w+)", plan.stdout))

    things.write_text(things.read_text().replace('"x"', '"y"'))
    assert changed() == set(), "no step's values are of that class"
    file = tmp_path / "kept.py"
    file.write_text(file.read_text().replace("write_text(str(value))", "write_text(f'{value}')"))
    assert changed() == {"make", "use"}
