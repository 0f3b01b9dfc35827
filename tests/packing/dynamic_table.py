"""Steps that reach modules and files when they run: what is taken along, and what is told.

`PKG` stands for the case's own package, in which its files lie.
"""
# ruff: noqa: E501 - a program a line reads better than one that is folded

from __future__ import annotations

from typing import NamedTuple


class Case(NamedTuple):
    """One way to reach something.

    Attributes:
        head: What stands at the top of the step's module.
        body: What the step returns, as an expression.
        result: What it gives.
        files: The files of the case's package, beside `steps.py`.
    """

    head: str
    body: str
    result: str
    files: dict[str, str]


def value(name: str) -> dict[str, str]:
    return {f"{name}.py": f"VALUE = {name!r}\n"}


PLUGINS = {
    "plugins/__init__.py": "",
    "plugins/one.py": "VALUE = 'one'\n",
    "plugins/two.py": "from PKG.shared import WORD\nVALUE = 'two' + WORD\n",
    "shared.py": "WORD = '!'\n",
}
SORTED = "' '.join(sorted(m.VALUE for m in load()))"
TAKEN: dict[str, Case] = {
    # --- a module by its name -----------------------------------------------------------------
    "import_module_of_a_literal": Case(
        "import importlib", "importlib.import_module('PKG.late').VALUE", "late", value("late")
    ),
    "import_module_by_another_name": Case(
        "from importlib import import_module as load",
        "importlib.import_module('PKG.late').VALUE",
        "late",
        value("late"),
    )._replace(head="import importlib"),
    "dunder_import": Case(
        "", "__import__('PKG.late', fromlist=['VALUE']).VALUE", "late", value("late")
    ),
    "a_relative_name": Case(
        "import importlib",
        "importlib.import_module('.late', package=__package__).VALUE",
        "late",
        value("late"),
    ),
    "a_relative_name_two_up": Case(
        "from PKG.deep import inner",
        "inner.load().VALUE",
        "late",
        {
            **value("late"),
            "deep/__init__.py": "",
            "deep/inner.py": "import importlib\n"
            "def load():\n    return importlib.import_module('..late', __package__)\n",
        },
    ),
    "a_constant": Case(
        "import importlib\nNAME = 'PKG.late'",
        "importlib.import_module(NAME).VALUE",
        "late",
        value("late"),
    ),
    "a_format_string": Case(
        "import importlib\ndef get(name):\n    return importlib.import_module(f'PKG.plugins.{name}')",
        "get('two').VALUE",
        "two!",
        PLUGINS,
    ),
    "a_format_string_of_the_package": Case(
        "import importlib\n"
        "def get(name):\n    return importlib.import_module(f'{__package__}.plugins.{name}')",
        "get('one').VALUE",
        "one",
        PLUGINS,
    ),
    "texts_added": Case(
        "import importlib\n"
        "def get(name):\n    return importlib.import_module('PKG.plugins.' + name)",
        "get('one').VALUE",
        "one",
        PLUGINS,
    ),
    "percent_format": Case(
        "import importlib\n"
        "def get(name):\n    return importlib.import_module('PKG.plugins.%s' % name)",
        "get('one').VALUE",
        "one",
        PLUGINS,
    ),
    "format_method": Case(
        "import importlib\n"
        "def get(name):\n    return importlib.import_module('PKG.plugins.{}'.format(name))",
        "get('one').VALUE",
        "one",
        PLUGINS,
    ),
    "a_list_of_names": Case(
        "import importlib\nNAMES = ['PKG.plugins.one', 'PKG.plugins.two']\n"
        "def load():\n    return [importlib.import_module(name) for name in NAMES]",
        SORTED,
        "one two!",
        PLUGINS,
    ),
    "a_dict_of_names": Case(
        "import importlib\nNAMES = {'a': 'PKG.plugins.one', 'b': 'PKG.plugins.two'}\n"
        "def get(key):\n    return importlib.import_module(NAMES[key]).VALUE",
        "get('b')",
        "two!",
        PLUGINS,
    ),
    "a_name_that_a_function_is_given": Case(
        "import importlib\ndef get(name):\n    return importlib.import_module(name).VALUE",
        "get('PKG.plugins.two')",
        "two!",
        PLUGINS,
    ),
    "an_object_by_its_path": Case(
        "import pkgutil", "pkgutil.resolve_name('PKG.late:VALUE')", "late", value("late")
    ),
    "a_class_of_a_settings_dict": Case(
        "import logging.config\nSETTINGS = {'version': 1, 'handlers': {'h': {'class': "
        "'PKG.handlers.Mine'}}, 'loggers': {'PKG': {'handlers': ['h']}}}",
        "(logging.config.dictConfig(SETTINGS), type(logging.getLogger('PKG').handlers[0]).__name__)[1]",
        "Mine",
        {"handlers.py": "import logging\nclass Mine(logging.NullHandler):\n    pass\n"},
    ),
    "run_module": Case(
        "import runpy", "runpy.run_module('PKG.late')['VALUE']", "late", value("late")
    ),
    "a_program_of_its_own": Case(
        "import subprocess, sys",
        "subprocess.run([sys.executable, '-m', 'PKG.tool'], capture_output=True, text=True).stdout",
        "tooled\n",
        {"tool.py": "print('tooled')\n"},
    ),
    # --- packages that are walked -------------------------------------------------------------
    "iter_modules_of_a_package": Case(
        "import importlib, pkgutil\nfrom PKG import plugins\n"
        "def load():\n    return [importlib.import_module(f'{plugins.__name__}.{m.name}')\n"
        "            for m in pkgutil.iter_modules(plugins.__path__)]",
        SORTED,
        "one two!",
        PLUGINS,
    ),
    "walk_packages_of_its_own": Case(
        "import PKG.walking as walking",
        "' '.join(sorted(walking.names()))",
        "PKG.walking.a PKG.walking.b PKG.walking.b.c",
        {
            "walking/__init__.py": "import pkgutil\ndef names():\n"
            "    return [m.name for m in pkgutil.walk_packages(__path__, __name__ + '.')]\n",
            "walking/a.py": "",
            "walking/b/__init__.py": "",
            "walking/b/c.py": "",
        },
    ),
    "iter_modules_beside_the_file": Case(
        "import importlib, pkgutil\nfrom pathlib import Path\nHERE = Path(__file__).parent\n"
        "def load():\n    return [importlib.import_module('PKG.plugins.' + m.name)\n"
        "            for m in pkgutil.iter_modules([str(HERE / 'plugins')])]",
        SORTED,
        "one two!",
        PLUGINS,
    ),
    "a_star_import_of_a_made_list": Case(
        "from PKG.stars import *",
        "one.VALUE",
        "one",
        {
            "stars/__init__.py": "import pkgutil\n"
            "__all__ = [m.name for m in pkgutil.iter_modules(__path__)]\n",
            "stars/one.py": "VALUE = 'one'\n",
        },
    ),
    "a_star_import": Case(
        "from PKG.stars import *",
        "one.VALUE + two",
        "onetwo",
        {
            "stars/__init__.py": "__all__ = ['one', 'two']\ntwo = 'two'\n",
            "stars/one.py": "VALUE = 'one'\n",
        },
    ),
    "a_package_that_gives_on_what_it_imports": Case(
        "from PKG.front import VALUE",
        "VALUE",
        "late",
        {"front/__init__.py": "from .back import VALUE\n", "front/back.py": "VALUE = 'late'\n"},
    ),
    "a_module_s_getattr": Case(
        "from PKG import lazy",
        "lazy.late.VALUE",
        "late",
        {
            "lazy/__init__.py": "import importlib\ndef __getattr__(name):\n"
            "    return importlib.import_module(f'.{name}', __name__)\n",
            "lazy/late.py": "VALUE = 'late'\n",
        },
    ),
    "a_module_s_getattr_by_a_table": Case(
        "from PKG import lazy",
        "lazy.VALUE",
        "late",
        {
            "lazy/__init__.py": "import importlib\n_WHERE = {'VALUE': '.late'}\n"
            "def __getattr__(name):\n    if name not in _WHERE:\n        raise AttributeError(name)\n"
            "    return getattr(importlib.import_module(_WHERE[name], __name__), name)\n",
            "lazy/late.py": "VALUE = 'late'\n",
        },
    ),
    "a_namespace_package": Case(
        "import PKG.space.inner.late as late",
        "late.VALUE",
        "late",
        {"space/inner/late.py": "VALUE = 'late'\n"},
    ),
    "a_relative_import": Case("from . import late", "late.VALUE", "late", value("late")),
    "an_import_in_a_function": Case(
        "def get():\n    from PKG import late\n    return late",
        "get().VALUE",
        "late",
        value("late"),
    ),
    "imports_for_type_checkers": Case(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from PKG.nowhere import Thing\n"
        "else:\n    from PKG.late import VALUE",
        "VALUE",
        "late",
        value("late"),
    ),
    "the_project_s_entry_points": Case(
        "from importlib.metadata import entry_points",
        "[point.load() for point in entry_points(group='my.group')][0]",
        "pointed",
        {"pointed.py": "VALUE = 'pointed'\n"},
    ),
    "the_project_s_version": Case(
        "import importlib.metadata", "importlib.metadata.version('reaching')", "1.2.3", {}
    ),
    # --- files beside the module --------------------------------------------------------------
    "a_file_beside": Case(
        "from pathlib import Path",
        "(Path(__file__).parent / 'words.txt').read_text()",
        "words",
        {"words.txt": "words"},
    ),
    "a_file_by_with_name": Case(
        "from pathlib import Path",
        "Path(__file__).with_name('words.txt').read_text()",
        "words",
        {"words.txt": "words"},
    ),
    "a_file_by_with_suffix": Case(
        "from pathlib import Path",
        "Path(__file__).resolve().with_suffix('.sql').read_text()",
        "select",
        {"steps.sql": "select"},
    ),
    "a_file_by_os_path": Case(
        "import os",
        "open(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'conf', 'x.txt')).read()",
        "x",
        {"conf/x.txt": "x"},
    ),
    "a_folder_under_a_name": Case(
        "from pathlib import Path\nHERE = Path(__file__).parent\nCONF = HERE / 'conf'\n"
        "def read(name):\n    return (CONF / f'{name}.txt').read_text()",
        "read('x')",
        "x",
        {"conf/x.txt": "x", "conf/y.txt": "y"},
    ),
    "a_folder_of_another_module": Case(
        "from PKG.paths import CONF",
        "(CONF / 'x.txt').read_text()",
        "x",
        {
            "paths.py": "from pathlib import Path\nROOT = Path(__file__).parent\n"
            "CONF = ROOT / 'conf'\n",
            "conf/x.txt": "x",
        },
    ),
    "a_folder_of_another_module_by_attribute": Case(
        "from PKG import paths",
        "paths.CONF.joinpath('x.txt').read_text()",
        "x",
        {
            "paths.py": "import os.path\nfrom pathlib import Path\n"
            "CONF = Path(os.path.dirname(__file__)) / 'conf'\n",
            "conf/x.txt": "x",
        },
    ),
    "a_file_two_folders_up": Case(
        "from PKG.deep import inner",
        "inner.read()",
        "words",
        {
            "words.txt": "words",
            "deep/__init__.py": "",
            "deep/inner.py": "from pathlib import Path\n"
            "def read():\n    return (Path(__file__).parents[1] / 'words.txt').read_text()\n",
        },
    ),
    "files_by_a_pattern": Case(
        "from pathlib import Path",
        "' '.join(sorted(p.stem for p in (Path(__file__).parent / 'sql').glob('*.sql')))",
        "a b",
        {"sql/a.sql": "", "sql/b.sql": "", "sql/c.txt": ""},
    ),
    "a_folder_that_is_walked": Case(
        "import os\nHERE = os.path.dirname(__file__)",
        "' '.join(sorted(f for _, _, fs in os.walk(os.path.join(HERE, 'tree')) for f in fs))",
        "a.txt b.txt",
        {"tree/a.txt": "", "tree/deep/b.txt": ""},
    ),
    "its_own_folder_listed": Case(
        "from PKG import listing",
        "listing.names()",
        "a.json b.json",
        {
            "listing/__init__.py": "import os\ndef names():\n    folder = os.path.dirname(__file__)\n"
            "    return ' '.join(sorted(n for n in os.listdir(folder) if n.endswith('.json')))\n",
            "listing/a.json": "",
            "listing/b.json": "",
        },
    ),
    "a_folder_of_a_package_by_its_file": Case(
        "import os\nimport PKG.data as data",
        "' '.join(sorted(n for n in os.listdir(os.path.dirname(data.__file__)) if '.txt' in n))",
        "x.txt",
        {"data/__init__.py": "", "data/x.txt": "x"},
    ),
    "a_folder_of_a_package_by_its_path": Case(
        "import os\nimport PKG.data as data",
        "open(os.path.join(data.__path__[0], 'x.txt')).read()",
        "x",
        {"data/__init__.py": "", "data/x.txt": "x"},
    ),
    "resources_of_a_package_by_name": Case(
        "from importlib import resources",
        "resources.files('PKG').joinpath('words.txt').read_text()",
        "words",
        {"words.txt": "words"},
    ),
    "resources_of_its_own_package": Case(
        "from importlib.resources import files",
        "(files(__package__) / 'conf' / 'x.txt').read_text()",
        "x",
        {"conf/x.txt": "x"},
    ),
    "resources_of_an_imported_package": Case(
        "import importlib.resources\nfrom PKG import data",
        "importlib.resources.files(data).joinpath('x.txt').read_text()",
        "x",
        {"data/__init__.py": "", "data/x.txt": "x"},
    ),
    "resources_gone_through": Case(
        "from importlib import resources",
        "' '.join(sorted(f.name for f in resources.files('PKG.data').iterdir() if '.txt' in f.name))",
        "x.txt y.txt",
        {"data/__init__.py": "", "data/x.txt": "x", "data/y.txt": ""},
    ),
    "resources_as_they_were": Case(
        "from importlib import resources",
        "resources.read_text('PKG', 'words.txt')",
        "words",
        {"words.txt": "words"},
    ),
    "get_data": Case(
        "import pkgutil",
        "pkgutil.get_data('PKG', 'conf/x.txt').decode()",
        "x",
        {"conf/x.txt": "x"},
    ),
    "a_script_run_by_its_path": Case(
        "import runpy\nfrom pathlib import Path",
        "runpy.run_path(str(Path(__file__).with_name('late.py')))['VALUE']",
        "late",
        value("late"),
    ),
    "a_module_by_its_file": Case(
        "import importlib.util\nfrom pathlib import Path\ndef load():\n"
        "    spec = importlib.util.spec_from_file_location('x', Path(__file__).parent / 'late.py')\n"
        "    module = importlib.util.module_from_spec(spec)\n"
        "    spec.loader.exec_module(module)\n    return module",
        "load().VALUE",
        "late",
        value("late"),
    ),
}
"""What is taken along."""

TOLD: dict[str, Case] = {
    "a_name_from_the_environment": Case(
        "import importlib, os\nos.environ['WHICH'] = 'PKG' + '.l' + 'ate'\n"
        "def get():\n    return importlib.import_module(os.environ['WHICH'])",
        "get().VALUE",
        'include=["PKG/late.py"]',
        value("late"),
    ),
    "a_name_that_is_put_together": Case(
        "import importlib\ndef get(*parts):\n    return importlib.import_module('.'.join(parts))",
        "get('PKG', 'la' + 'te').VALUE",
        'include=["PKG/late.py"]',
        value("late"),
    ),
    "exec_of_an_import": Case(
        "", "exec('from PKG import late')", 'include=["PKG/late.py"]', value("late")
    ),
    "a_file_whose_name_is_put_together": Case(
        "import sys",
        "open(sys.modules[__name__].__file__.replace('steps.py', 'words.txt')).read()",
        'include=["PKG/words.txt"]',
        {"words.txt": "words"},
    ),
    "a_file_of_the_working_folder": Case(
        "", "open('PKG/words.txt').read()", 'include=["PKG/words.txt"]', {"words.txt": "words"}
    ),
    "a_library_that_is_not_there": Case(
        "", "__import__('no_such_library_at_all')", "requirements=", {}
    ),
}
"""What cannot be seen, with what the failure says."""


def project(cases: dict[str, Case]) -> dict[str, str]:
    """Return the files of a project with one package a case, and pipelines of all and of each."""
    files: dict[str, str] = {
        "waterflow.toml": '[profiles.local]\nsend = "later"\n',
        "pyproject.toml": '[project]\nname = "reaching"\nversion = "1.2.3"\n'
        '[project.entry-points."my.group"]\nx = "the_project_s_entry_points.pointed:VALUE"\n',
    }
    lines = ["import waterflow as wf"]
    for name, case in cases.items():
        files[f"{name}/__init__.py"] = ""
        files[f"{name}/steps.py"] = (
            f"import waterflow as wf\n{case.head}\n\n@wf.step\ndef probe() -> str:\n"
            f"    return {case.body}\n"
        ).replace("PKG", name)
        for path, text in case.files.items():
            files[f"{name}/{path}"] = text.replace("PKG", name)
        lines.append(f"from {name}.steps import probe as {name}")
    lines += ["", "@wf.pipeline", "def reaching():"]
    lines += [f"    {name}.options(name={name!r})()" for name in cases]
    for name in cases:
        lines += ["", f"@wf.pipeline(name={name!r})", f"def only_{name}():", f"    {name}()"]
    files["pipeline.py"] = "\n".join(lines) + "\n"
    return files
