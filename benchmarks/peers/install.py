"""Makes the environments of the peers, one for each requirements file beside this script.

    python benchmarks/peers/install.py [NAME]…

Without names: all of them. A complete environment does not change. The environments are in
benchmarks/peers/.environments/. Requirements are installed one after another, in the order of the file, because the
order matters twice: myFM needs `setuptools` to build, and LensKit without torch would install a CUDA build of it.
"""

from __future__ import annotations

import subprocess
import sys
import time
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENVIRONMENTS = HERE / ".environments"


def python_of(name: str) -> Path:
    """The interpreter of an environment."""
    return ENVIRONMENTS / name / "bin" / "python"


def complete(name: str) -> bool:
    """Whether an environment has the current requirements."""
    mark = ENVIRONMENTS / name / "installed.txt"
    return mark.is_file() and mark.read_text() == (HERE / f"{name}.txt").read_text()


def install(name: str) -> None:
    """Makes one environment.

    Raises:
        subprocess.CalledProcessError: a package cannot be installed; pip has said why.
    """
    requirements = (HERE / f"{name}.txt").read_text()
    venv.create(ENVIRONMENTS / name, with_pip=True, clear=True)
    for line in requirements.splitlines():
        subprocess.run(
            [python_of(name), "-m", "pip", "install", "--quiet", line, *earlier(requirements, line)], check=True
        )
    (ENVIRONMENTS / name / "installed.txt").write_text(requirements)


def earlier(requirements: str, line: str) -> list[str]:
    """The requirements before one, so that pip does not change their versions."""
    lines = requirements.splitlines()
    return lines[: lines.index(line)]


def main() -> None:
    failed = []
    for name in sys.argv[1:] or sorted(path.stem for path in HERE.glob("*.txt")):
        if complete(name):
            print(f"{name}: complete")
            continue
        started = time.perf_counter()
        try:
            install(name)
        except subprocess.CalledProcessError as error:
            failed.append(name)
            print(f"{name}: not installed ({error})")
        else:
            print(f"{name}: installed in {time.perf_counter() - started:.0f} s", flush=True)
    sys.exit(f"Left out: {', '.join(failed)}. compare.py runs without their models." if failed else 0)


if __name__ == "__main__":
    main()
