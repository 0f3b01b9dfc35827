"""A project whose modules a test changes between its runs."""

import contextlib
import importlib
import os
import sys
import textwrap


class Changing:
    """Modules in a project's folder, imported anew for each call of a pipeline.

    Args:
        project: The project: `root` is its folder, `code()` lets its modules be imported.
        modules: Module name -> source, indented as it may be.
    """

    def __init__(self, project, modules):
        self.project, self._modules = project, modules
        for name, text in modules.items():
            (project.root / f"{name}.py").write_text(textwrap.dedent(text).lstrip())

    def change(self, name, old, new):
        """Replace text of a module."""
        file = self.project.root / f"{name}.py"
        text = file.read_text()
        assert old in text
        before = file.stat().st_mtime
        file.write_text(text.replace(old, new))
        # Python tells an edit by the second and the size, and here is no second between them.
        moment = max(file.stat().st_mtime, before + 1)
        os.utime(file, (moment, moment))

    @contextlib.contextmanager
    def call(self, pipeline, **parameters):
        """Give a call of the pipeline in `module:name`, as the modules are now."""
        module, name = pipeline.split(":")
        with self.project.code():
            self._forget()
            try:
                yield getattr(importlib.import_module(module), name)(**parameters)
            finally:
                self._forget()

    def _forget(self):
        for name in self._modules:
            sys.modules.pop(name, None)
