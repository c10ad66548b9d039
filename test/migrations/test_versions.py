"""Each version that was released can become each later one, directly and step by step, and is then the same as a
fresh install of it, by catalog and by what the script brings."""

import itertools
import subprocess

import pytest

from harness import versions

import changed_shop
import state


def install(database, version):
    database.execute(f"CREATE EXTENSION globalmart VERSION '{version}'")
    changed_shop.create_logins(database)
    changed_shop.as_keeper(database, "SELECT globalmart.install_shop()")


def update(database, *steps):
    for version in steps:
        database.execute(f"ALTER EXTENSION globalmart UPDATE TO '{version}'")
    changed_shop.as_keeper(database, "SELECT globalmart.install_shop()")


def assert_same(one, other):
    state.assert_same(state.catalog(one), state.catalog(other))
    state.assert_same(state.content(one, logical=True), state.content(other, logical=True))


@pytest.mark.parametrize("old, new", itertools.combinations(versions.ALL, 2))
def test_directly(new_database, old, new):
    updated, fresh = new_database(), new_database()
    install(updated, old)
    update(updated, new)
    install(fresh, new)
    assert_same(fresh, updated)


@pytest.mark.parametrize("old", versions.OLD)
def test_step_by_step(new_database, old):
    updated, fresh = new_database(), new_database()
    install(updated, old)
    update(updated, *versions.ALL[versions.ALL.index(old) + 1 :])
    install(fresh, versions.CURRENT)
    assert_same(fresh, updated)


def test_without_a_shop(new_database):
    """The engine alone, whose owner never calls install_shop()."""
    updated, fresh = new_database(), new_database()
    updated.execute(f"CREATE EXTENSION globalmart VERSION '{versions.OLD[0]}'")
    updated.execute("ALTER EXTENSION globalmart UPDATE")
    fresh.execute("CREATE EXTENSION globalmart")
    assert_same(fresh, updated)


def test_current_version(new_database):
    """What is installed when nobody names a version, and what the programs say."""
    database = new_database()
    database.execute("CREATE EXTENSION globalmart")
    version = database.value("SELECT extversion FROM pg_extension WHERE extname = 'globalmart'")
    assert version == versions.CURRENT
    assert database.value("SELECT globalmart.library_version()") == versions.CURRENT
    for program in ("globalmart-bridge", "globalmart-generate", "globalmart-export"):
        said = subprocess.run(
            [versions.PROJECT / "build" / "bin" / program, "--version"], check=True, capture_output=True, text=True
        ).stdout
        assert said == f"{program} {versions.CURRENT}\n"


def test_every_release_is_installed(new_database):
    rows = new_database().rows("SELECT version FROM pg_available_extension_versions WHERE name = 'globalmart'")
    assert {version for (version,) in rows} == set(versions.ALL)
