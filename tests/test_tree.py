"""The rules of the tree (docs/decisions/0001): which way imports point, who may write, and how big a file gets."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers import PROVIDERS

ROOT = Path(__file__).resolve().parent.parent
PROVIDER_FILES = sorted((ROOT / "providers").rglob("*.py"))
DASHBOARD_FILES = sorted(p for p in (ROOT / "dashboard").rglob("*.py") if "migrations" not in p.parts)
ADAPTERS = [ROOT / "providers" / f"{key}.py" for key in PROVIDERS]
HTTP_CLIENTS = {"httpx", "requests", "aiohttp", "urllib3", "http"}
MOST_LINES = 400
MOST_ADAPTER_LINES = 250  # without the imports and the literal tables at the top


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", PROVIDER_FILES, ids=name)
def test_providers_know_neither_django_nor_the_dashboard(path: Path) -> None:
    assert not {module.split(".")[0] for module in imported(parsed(path))} & {"django", "dashboard", "environ"}


@pytest.mark.parametrize("path", [*PROVIDER_FILES, *DASHBOARD_FILES], ids=name)
def test_only_one_module_has_an_http_client(path: Path) -> None:
    modules = set(imported(parsed(path)))
    if path.parent.name == "simulator":
        modules -= {"aiohttp", "http"}  # its server
    clients = {module for module in modules if module.split(".")[0] in HTTP_CLIENTS and module != "http.cookiejar"}
    assert not clients or path == ROOT / "providers" / "http.py"


@pytest.mark.parametrize("path", ADAPTERS, ids=name)
def test_an_adapter_needs_providers_base_only(path: Path) -> None:
    assert {module for module in imported(parsed(path)) if module.startswith(("providers", "dashboard"))} == {
        "providers.base"
    }


@pytest.mark.parametrize("path", [p for p in DASHBOARD_FILES if "domain" in p.parts], ids=name)
def test_domain_rules_import_no_django(path: Path) -> None:
    assert not {module for module in imported(parsed(path)) if module.startswith("django")}


@pytest.mark.parametrize("path", DASHBOARD_FILES, ids=name)
def test_only_ingest_writes_status_and_events(path: Path) -> None:
    if "ingest" in path.parts or path.parent.name == "models":
        return
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call):
            text = ast.unparse(node.func)
            assert not text.startswith("Event.objects.") or not text.endswith(("create", "bulk_create"))
            if text.endswith(".update") and "Message.objects" in text:
                assert not {keyword.arg for keyword in node.keywords} & {"status", "effective", "provider_status"}
        if isinstance(node, ast.Assign):
            for target in node.targets:
                assert not (isinstance(target, ast.Attribute) and ast.unparse(target) == "message.status")


@pytest.mark.parametrize("path", DASHBOARD_FILES, ids=name)
def test_messages_are_made_where_they_are_counted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    made = [call for call in ("create", "bulk_create", "get_or_create") if f"Message.objects.{call}(" in text]
    assert not made or path.name == "counts.py"


@pytest.mark.parametrize("path", [*DASHBOARD_FILES, *sorted((ROOT / "templates").rglob("*.html"))], ids=name)
def test_no_provider_is_named_outside_its_adapter(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        assert not [key for key in PROVIDERS if key in text]
        return
    tree = ast.parse(text)
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    literals = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
    ]
    assert not [text for text in literals if text in PROVIDERS]


@pytest.mark.parametrize("path", DASHBOARD_FILES, ids=name)
def test_no_signals_between_our_own_modules(path: Path) -> None:
    assert "django.dispatch" not in set(imported(parsed(path)))
    assert "django.db.models.signals" not in set(imported(parsed(path)))


@pytest.mark.parametrize("path", [*DASHBOARD_FILES, *PROVIDER_FILES], ids=name)
def test_no_import_inside_a_function(path: Path) -> None:
    if path == ROOT / "dashboard" / "apps.py":
        return  # checks can only be imported once the apps are ready
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert not [n for n in ast.walk(node) if isinstance(n, ast.Import | ast.ImportFrom)], node.name


@pytest.mark.parametrize(
    "path", [*DASHBOARD_FILES, *PROVIDER_FILES, *sorted((ROOT / "scripts").glob("*.py"))], ids=name
)
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", ADAPTERS, ids=name)
def test_an_adapter_stays_short(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    head = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.Import | ast.ImportFrom)
    ]
    tables = sum((node.end_lineno or 0) - node.lineno + 1 for node in head)
    assert len(text.splitlines()) - tables <= MOST_ADAPTER_LINES
