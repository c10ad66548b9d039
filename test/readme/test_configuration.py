"""docs/configuration.md names what the programs take, and nothing else: options, settings, defaults."""

import pathlib
import re
import subprocess

import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[2]
BRIDGE = PROJECT / "build" / "bin" / "globalmart-bridge"
GENERATOR = PROJECT / "build" / "bin" / "globalmart-generate"
COMMANDS = ((), ("broker",), ("load",), ("replay", "online-retail"))
DOCUMENT = (PROJECT / "docs" / "configuration.md").read_text()


def section(title):
    """The text below a heading of the second level."""
    return re.search(rf"^## {re.escape(title)}$(.*?)(?=^## |\Z)", DOCUMENT, re.MULTILINE | re.DOTALL)[1]


def rows(text):
    """The cells of the rows of its tables."""
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        for line in text.splitlines()
        if line.startswith("| ")
    ]


def run(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


def help_of(*command):
    shown = run(*command, "--help")
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def options_of(text):
    """{option: the line that --help has of it}, by its long name."""
    found = {}
    for line in text.splitlines():
        if option := re.match(r" +(?:-\w,)?(--[a-z-]+)", line):
            found[option[1]] = line
    return found


def written_options(text):
    """{option: its cell of defaults, which may be the one of several} of the tables that begin with options."""
    found = {}
    for cells in rows(text):
        names = re.findall(r"`(--[a-z-]+)[^`]*`", cells[0])
        defaults = re.split("; " if ";" in cells[1] else ", ", cells[1]) if len(names) > 1 else [cells[1]]
        for number, name in enumerate(names):
            found[name] = defaults[number] if len(defaults) == len(names) else cells[1]
    return found


def written_settings():
    """{setting: its default}"""
    settings = section("The bridge").split("### Settings")[1].split("### ")[0]
    return {cells[0].strip("`"): cells[1].strip("`") for cells in rows(settings) if cells[0].startswith("`")}


def test_the_options_of_the_bridge():
    written = written_options(section("The bridge").split("### Settings")[0])
    assert sorted(written) == sorted(set(options_of(help_of(BRIDGE))) - {"--help"})


def test_the_options_of_the_generator():
    known = {}
    for command in COMMANDS:
        known.update(options_of(help_of(GENERATOR, *command)))
    written = written_options(section("The generator"))
    assert sorted(written) == sorted(set(known) - {"--help"})
    for option, line in known.items():
        if default := re.search(r"=\[?([0-9][0-9.,]*)", line):
            assert written[option] == default[1], option


def test_the_settings_of_the_bridge():
    known = set()
    for path in sorted((PROJECT / "bridge").glob("config*.cpp")):
        group = None
        for name, key in re.findall(
            r'TomlTable table\([^;]*"(\w+)"\);|(?:table\.(?:text|boolean|table)|\binteger)\(\s*"(\w+)"', path.read_text()
        ):
            if name:
                group = name
            elif group:
                known.add(f"{group}.{key}")
    assert len(known) > 20
    # Of a table of the reader's own names the document says more than one thing.
    written = {".".join(name.split(".")[:2]) for name in written_settings()}
    assert sorted(written) == sorted(known)


def test_the_defaults_of_the_settings():
    """Each is taken, under its name."""
    given = {"kafka.bootstrap_servers": "127.0.0.1:9092", "postgres.dsn": "dbname=shop"}
    for name, default in written_settings().items():
        if default and " " not in default and default not in ("required", ""):
            given[name] = default
    assert len(given) > 15
    taken = run(BRIDGE, "--check-config", *(word for name in given for word in ("--set", f"{name}={given[name]}")))
    assert (taken.returncode, taken.stdout) == (0, "configuration and profile are valid\n"), taken.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nothing"],
        ["--count", "-5", "--out", "OUT"],
        ["--rate", "fast"],
        ["--count", "5"],
        ["load"],
        ["replay"],
        ["broker", "--brokers", "0"],
        ["replay", "online-retail", "/nowhere"],
        ["--count", "5", "--out", "OUT", "--cart-topic", "users-topic"],
    ],
    ids=" ".join,
)
def test_what_the_generator_does_not_understand_is_status_2(arguments, tmp_path):
    refused = run(GENERATOR, *(str(tmp_path / "out") if word == "OUT" else word for word in arguments))
    assert refused.returncode == 2, refused.stderr
    assert refused.stderr + refused.stdout


def test_help_and_version_are_no_errors():
    for command in COMMANDS:
        assert help_of(GENERATOR, *command)
    assert run(GENERATOR, "--version").returncode == 0
