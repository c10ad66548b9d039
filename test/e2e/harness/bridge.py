"""The bridge as a process, with its configuration and its logs in a folder of the test's."""

import os
import pathlib
import signal
import subprocess

from .processes import PROJECT, end

PROGRAM = pathlib.Path(os.environ.get("GLOBALMART_BRIDGE", PROJECT / "build/bin/globalmart-bridge"))


class Bridge:
    """`settings`: {"kafka.group_id": "x", ...}; a value is text, a number or a boolean."""

    def __init__(self, folder, settings):
        self.folder = pathlib.Path(folder)
        self.settings = dict(settings)
        self.process = None
        self._starts = 0

    def start(self, *arguments, errors=None, **changed):
        """Starts the daemon. `changed` settings with __ for the dot hold for this start only; `errors`
        takes standard error in place of the log."""
        self._starts += 1
        changed = {name.replace("__", "."): value for name, value in changed.items()}
        config = self.folder / f"bridge-{self._starts}.toml"
        config.write_text(to_toml({**self.settings, **changed}))
        self.log = self.folder / f"bridge-{self._starts}.log"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--config", config, *arguments], stdout=log, stderr=log if errors is None else errors
            )
        return self

    def drain(self, seconds=120, **changed):
        """Applies everything up to the ends of the topics as they are now."""
        self.start("--drain", **changed)
        self.wait(seconds)

    def wait(self, seconds=120):
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(f"the bridge did not end within {seconds} s\n{self.last_lines()}")
        assert status == 0, f"the bridge ended with {status}\n{self.last_lines()}"

    def kill(self):
        """SIGKILL: what a crash leaves behind."""
        return end(self.process, signal.SIGKILL)

    def stop(self):
        if self.process is not None:
            return end(self.process)

    def last_lines(self, count=30):
        lines = self.log.read_text(errors="replace").splitlines()
        return f"{self.log}:\n" + "\n".join(lines[-count:])


def to_toml(settings):
    """Dotted names into TOML; tables may be nested."""
    lines = []
    for name, value in settings.items():
        if isinstance(value, bool):
            value = "true" if value else "false"
        elif isinstance(value, (str, os.PathLike)):
            text = str(value).replace("\\", "\\\\").replace('"', '\\"')
            value = f'"{text}"'
        lines.append(f"{name} = {value}\n")
    return "".join(lines)
