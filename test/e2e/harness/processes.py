"""Starting and ending processes, waiting on conditions."""

import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import time

PROJECT = pathlib.Path(__file__).resolve().parents[3]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def unprivileged_user():
    """Whom PostgreSQL runs as: nobody in particular, but never root. None: as we are."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("root needs a user postgres or nobody to run PostgreSQL as")


def as_user(user):
    """Arguments for subprocess that make it run as this user."""
    if user is None:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def wait_until(condition, what, seconds=60, process=None, pause=0.01):
    """Polls until `condition()` is true and gives what it gave. A process that ends meanwhile, or
    the time that runs out, is an error that names `what`."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if process is not None and process.poll() is not None:
            raise RuntimeError(f"process ended ({process.returncode}) while waiting for {what}")
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(pause)


def end(process, how=signal.SIGTERM, seconds=30):
    """Ends a process that we started, by its id, and gives its exit status."""
    if process.poll() is None:
        process.send_signal(how)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def program(name):
    """The path of a program that runs, or None."""
    return shutil.which(name)
