import json
import re
import tomllib
from typing import get_args
from urllib.parse import urlsplit

from domain.identity.callers import Role, Scope
from domain.records import events
from resolvers import access
from runtime.settings import ROOT, Settings

_PUBLIC = {"pypi.org", "files.pythonhosted.org"}
_SETTINGS = (ROOT / "docs/settings.md").read_text()
_UV_LOCK = (ROOT / "uv.lock").read_text()
_REQUIREMENTS = (ROOT / "requirements.lock").read_text()
_PINNED = re.findall(r"^([\w.-]+)==([^\s;]+)", _REQUIREMENTS, re.M)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_exactly_the_existing_settings_are_documented() -> None:
    documented = re.findall(r"^\| `(CALLBOARD_\w+)`", _SETTINGS, re.M)
    assert documented == [f"CALLBOARD_{name.upper()}" for name in Settings.model_fields]


def test_documented_defaults_equal_the_real_ones() -> None:
    documented = dict(re.findall(r"^\| `CALLBOARD_(\w+)` \| `(.+?)` \|", _SETTINGS, re.M))
    fields = Settings.model_fields
    assert documented == {name: str(fields[name.lower()].default) for name in documented}


def test_every_field_a_switch_can_post_is_documented() -> None:
    page = (ROOT / "docs/ingest.md").read_text()
    for kind in (*get_args(events.Event), events.ListedCall):
        assert f"`{kind.__struct_config__.tag}`" in page or kind is events.ListedCall
        assert not [field for field in kind.__struct_fields__ if field not in page]


def test_the_page_about_people_documents_the_permissions() -> None:
    page = (ROOT / "docs/people.md").read_text()
    columns = [
        *(access.OF_ROLE[role] for role in (Role.OWNER, Role.SUPPORT, Role.FINANCE)),
        access.OF_CONTACT,
        *(access.OF_SCOPE[scope] for scope in Scope),
    ]
    rows = [
        f"| {capability} | {' | '.join('yes' if capability in may else '' for may in columns)} |"
        for capability in access.Capability
    ]
    heads = " | ".join(f"`{scope}`" for scope in Scope)
    table = [f"| may | owner | support | finance | contact | {heads} |", f"|{'---|' * 10}", *rows]
    assert "\n".join(table) in page


def test_uv_lock_names_only_the_public_registry() -> None:
    packages = tomllib.loads(_UV_LOCK)["package"]
    registries = {p["source"].get("registry") for p in packages if p["name"] != "callboard"}
    assert registries == {"https://pypi.org/simple"}
    assert {urlsplit(url).hostname for url in re.findall(r'"(\w+://[^"]+)"', _UV_LOCK)} <= _PUBLIC


def test_requirements_lock_names_no_registry_and_hashes_every_package() -> None:
    assert not re.findall(r"^\s*--(?!hash=sha256:)", _REQUIREMENTS, re.M)
    assert "://" not in _REQUIREMENTS
    hashed = re.findall(r"^([\w.-]+)==[^\n]*\\\n +--hash=sha256:", _REQUIREMENTS, re.M)
    assert hashed == [name for name, _ in _PINNED]


def test_npm_locks_name_no_registry_and_hash_every_package() -> None:
    for folder in ("tests/clients", "bench/node", "server/graphql/graphiql"):
        packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
        hashed = [name for name, package in packages.items() if "integrity" in package]
        assert hashed == [name for name in packages if name]
        assert not [name for name, package in packages.items() if "resolved" in package]


def test_the_two_locks_agree() -> None:
    locked = {(p["name"], p.get("version")) for p in tomllib.loads(_UV_LOCK)["package"]}
    assert set(_PINNED) <= locked


def test_every_declared_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = project["project"]["dependencies"] + project["dependency-groups"]["dev"]
    names = {_normal(re.split(r"[\[<>=~! ]", line)[0]) for line in declared}
    assert names <= {_normal(name) for name, _ in _PINNED}
