"""The rules for statements on distributed tables; docs/scale-out.md explains them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any

from pglast import ast, parse_sql
from pglast.parser import ParseError

from models import distribution
from tests.support.scale_out import syntax

_ACCOUNT = "account_id"
_PARTITION = re.compile(r"call_records_\d{8}")
_PLACED = {*distribution.REFERENCE, *distribution.LOCAL}
# STABLE functions of columns; Citus refuses them in SET, because shards could differ.
_STABLE = {
    *("age", "concat", "concat_ws", "date_part", "date_trunc", "extract", "format"),
    *("jsonb_build_array", "jsonb_build_object", "timezone", "to_char", "to_json", "to_jsonb"),
    *("to_date", "to_timestamp"),
}
# SQL/JSON and `date`, `timestamp` casts aside: `column + interval` depends on the time zone.
_TIME = {"interval", "timestamp", "timestamptz", "date"}


class Rule(StrEnum):
    """The values are the text of a failed run."""

    ACCOUNT = "each table has its own `account_id = $n` (or a literal)"
    LOCK = "FOR UPDATE or SHARE locks only tables with their own `account_id = $n`"
    INSERT_IN_WITH = "no INSERT ... SELECT from a distributed table inside WITH"
    COLUMNS = "SELECT has columns: `SELECT 1`, not `SELECT FROM`"
    TIME = "no date arithmetic and no STABLE function over a column in SET"
    INSERT = "INSERT and COPY name `account_id` among their columns"
    MOVE = "no UPDATE sets `account_id`"
    TABLE = "each table is in a tuple of models/distribution.py"
    FORM = "the checker can parse it and knows this kind of statement"


@dataclass(frozen=True, slots=True)
class Violation:
    rule: Rule
    detail: str  # the table or expression


@dataclass(frozen=True, slots=True)
class _Scope:
    """The WITH queries that a query can name, and those of them that read distributed tables."""

    names: frozenset[str] = frozenset()
    distributed: frozenset[str] = frozenset()
    in_with: bool = False


@cache  # processes run the same statements
def violations(statement: str) -> list[Violation]:
    """What the statement violates; statements without rows (SET, DDL) violate nothing."""
    try:
        parsed = [raw.stmt for raw in parse_sql(statement)]
    except ParseError as error:
        return [Violation(Rule.FORM, str(error))]
    results: list[Violation] = []
    for node in parsed:
        if isinstance(node, ast.CopyStmt):
            results += _copy(node)
        elif isinstance(node, ast.MergeStmt):
            results.append(Violation(Rule.FORM, "MERGE"))
        elif isinstance(node, syntax.QUERIES):
            results += _query(node, _Scope())
    return list(dict.fromkeys(results))


def is_distributed(table: str) -> bool:
    return table in distribution.DISTRIBUTED or _PARTITION.fullmatch(table) is not None


def _copy(node: ast.CopyStmt) -> Iterator[Violation]:
    if node.relation is not None and is_distributed(node.relation.relname):
        names = [field.sval for field in node.attlist or ()]
        if _ACCOUNT not in names:
            yield Violation(Rule.INSERT, node.relation.relname)


def _query(query: Any, outer: _Scope) -> Iterator[Violation]:
    scope = _with_scope(query, outer)
    if query.withClause is not None:
        inside = _Scope(scope.names, scope.distributed, in_with=True)
        for entry in query.withClause.ctes:
            yield from _query(entry.ctequery, inside)
    yield from _tables(query, scope)
    if isinstance(query, ast.SelectStmt) and query.fromClause and not query.targetList:
        yield Violation(Rule.COLUMNS, _names(query))
    if isinstance(query, ast.InsertStmt):
        yield from _insert(query, scope)
    yield from _assignments(query)
    parts = [getattr(query, name) for name in query if name != "withClause"]
    for nested in syntax.nested_queries(tuple(parts)):
        yield from _query(nested, scope)


def _with_scope(query: Any, outer: _Scope) -> _Scope:
    """In the order in which WITH lists them, so that one may read another."""
    names, distributed = outer.names, outer.distributed
    for entry in query.withClause.ctes if query.withClause is not None else ():
        reads = _reads_distributed(entry.ctequery, _Scope(names, distributed))
        names |= {entry.ctename}
        distributed = distributed | {entry.ctename} if reads else distributed - {entry.ctename}
    return _Scope(names, distributed, outer.in_with)


def _reads_distributed(node: Any, scope: _Scope) -> bool:
    return any(
        table.relname in scope.distributed
        or (table.relname not in scope.names and is_distributed(table.relname))
        for table in syntax.descendants(node)
        if isinstance(table, ast.RangeVar)
    )


def _tables(query: Any, scope: _Scope) -> Iterator[Violation]:
    sources = [
        source
        for item in syntax.from_items(query)
        for source in syntax.sources(item)
        if source.table not in scope.names
    ]
    for source in sources:
        if not _is_placed(source):
            yield Violation(Rule.TABLE, source.table)
    distributed = [source for source in sources if is_distributed(source.table)]
    unbound = [source for source in distributed if source.alias not in _bound(query, distributed)]
    for source in unbound:
        yield Violation(Rule.ACCOUNT, _called(source))
    for clause in getattr(query, "lockingClause", None) or ():
        locked = {table.relname for table in clause.lockedRels or ()}
        for source in unbound:
            if not locked or source.alias in locked:
                yield Violation(Rule.LOCK, _called(source))


def _is_placed(source: syntax.Source) -> bool:
    """PostgreSQL's own tables and those of a transaction are on no shard."""
    if source.schema in ("pg_catalog", "information_schema") or source.table.startswith("pg_"):
        return True
    return source.table in _PLACED or is_distributed(source.table)


def _bound(query: Any, distributed: list[syntax.Source]) -> set[str]:
    """The aliases that have an `account_id = $n` of their own."""
    columns: set[str] = set()
    for condition, filtered in syntax.conditions(query):
        for alias in syntax.columns_equal_to_values(condition, _ACCOUNT):
            if alias:
                names = {alias}
            else:  # without a qualifier it can only be the column of one table
                names = {source.alias for source in distributed} if len(distributed) == 1 else set()
            columns |= names if filtered is None else names & filtered
    return columns


def _insert(query: ast.InsertStmt, scope: _Scope) -> Iterator[Violation]:
    table = query.relation.relname
    if is_distributed(table):
        if _ACCOUNT not in [column.name for column in query.cols or ()]:
            yield Violation(Rule.INSERT, table)
    elif table not in _PLACED:
        yield Violation(Rule.TABLE, table)
    if scope.in_with and _reads_distributed(query.selectStmt, scope):
        yield Violation(Rule.INSERT_IN_WITH, table)


def _assignments(query: Any) -> Iterator[Violation]:
    if isinstance(query, ast.UpdateStmt):
        targets = query.targetList
    elif isinstance(query, ast.InsertStmt) and query.onConflictClause is not None:
        targets = query.onConflictClause.targetList
    else:
        return
    if not is_distributed(query.relation.relname):
        return
    for target in targets or ():
        if target.name == _ACCOUNT:
            yield Violation(Rule.MOVE, query.relation.relname)
        if any(_depends_on_time_zone(node) for node in syntax.descendants(target.val)):
            yield Violation(Rule.TIME, f"{query.relation.relname}.{target.name}")


def _depends_on_time_zone(node: ast.Node) -> bool:
    if isinstance(node, ast.FuncCall) and syntax.function_name(node) in _STABLE:
        return _has(node.args, ast.ColumnRef)
    if not syntax.is_sum_or_difference(node):
        return False
    return _has(node, ast.ColumnRef) and any(
        (isinstance(part, ast.TypeCast) and syntax.type_name(part) in _TIME)
        or (isinstance(part, ast.FuncCall) and syntax.function_name(part) == "make_interval")
        for part in syntax.descendants(node)
    )


def _has(node: Any, kind: type[ast.Node]) -> bool:
    return any(isinstance(part, kind) for part in syntax.descendants(node))


def _names(query: ast.SelectStmt) -> str:
    return ", ".join(
        _called(source) for item in syntax.from_items(query) for source in syntax.sources(item)
    )


def _called(source: syntax.Source) -> str:
    return source.table if source.alias == source.table else f"{source.table} {source.alias}"
