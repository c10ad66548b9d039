"""The versions that there are: those of migrations/, and the current one."""

import pathlib
import re

PROJECT = pathlib.Path(__file__).resolve().parents[3]


def _order(version):
    return [int(number) for number in version.split(".")]


CURRENT = re.search(r"^default_version = '(.*)'$", (PROJECT / "globalmart.control").read_text(), re.MULTILINE)[1]
_SCRIPTS = [path.stem.split("--")[1:] for path in (PROJECT / "migrations").glob("globalmart--*.sql")]
# Releases, the oldest first. The current version may be among the files in the commit that releases it.
OLD = sorted({version for version, *to in _SCRIPTS if not to and version != CURRENT}, key=_order)
ALL = [*OLD, CURRENT]
