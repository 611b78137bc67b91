"""What pyproject.toml cannot say: the app, which stands at the top of the checkout, goes into the wheel.

`streamlit run app.py` looks for pages and settings beside app.py. Installed, the three lie in
dashboard/_app; a checkout and an editable install use them where they are.
"""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
INSTALLED = Path("dashboard", "_app")


def app_files() -> list[str]:
    """The app, its pages and its settings, relative to the checkout."""
    found = [HERE / "app.py", HERE / ".streamlit" / "config.toml", *sorted((HERE / "pages").glob("*.py"))]
    return [path.relative_to(HERE).as_posix() for path in found]


class BuildWithApp(build_py):
    """Builds the packages, and the app inside one of them."""

    def run(self) -> None:
        """Copy the app after everything else."""
        super().run()
        for name, target in self._app().items():
            self.mkpath(str(Path(target).parent))
            self.copy_file(name, target)

    def get_source_files(self) -> list[str]:
        """The source distribution holds the app too."""
        return [*super().get_source_files(), *app_files()]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Whatever asks what was built is told of the app as well."""
        return [*super().get_outputs(include_bytecode), *self._app().values()]

    def _app(self) -> dict[str, str]:
        """Where each file of the app goes; an editable install uses them where they are."""
        if self.editable_mode:
            return {}
        return {name: str(Path(self.build_lib) / INSTALLED / name) for name in app_files()}


setup(cmdclass={"build_py": BuildWithApp})
