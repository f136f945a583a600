"""The parts of a parsed statement that the rules examine."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pglast import ast
from pglast.enums import A_Expr_Kind, BoolExprType, JoinType

QUERIES = (ast.SelectStmt, ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt)
# The sides of a join whose rows its condition filters: an outer join returns all rows of the other.
_FILTERED = {
    JoinType.JOIN_INNER: ("larg", "rarg"),
    JoinType.JOIN_LEFT: ("rarg",),
    JoinType.JOIN_RIGHT: ("larg",),
}


@dataclass(frozen=True, slots=True)
class Source:
    """A table in FROM, UPDATE or DELETE, by the name that the query calls it."""

    alias: str
    table: str
    schema: str | None


def children(node: Any) -> Iterator[ast.Node]:
    """The nodes right below it."""
    if isinstance(node, tuple):
        for item in node:
            if isinstance(item, ast.Node):
                yield item
            else:
                yield from children(item)
    elif isinstance(node, ast.Node):
        for name in node:
            value = getattr(node, name)
            if isinstance(value, ast.Node):
                yield value
            elif isinstance(value, tuple):
                yield from children(value)


def descendants(node: Any) -> Iterator[ast.Node]:
    """The node itself, if it is one, and all below it."""
    if isinstance(node, ast.Node):
        yield node
    for child in children(node):
        yield from descendants(child)


def nested_queries(node: Any) -> Iterator[ast.Node]:
    """The nearest queries below it: subqueries, sides of a UNION, the SELECT of an INSERT."""
    for child in children(node):
        if isinstance(child, QUERIES):
            yield child
        else:
            yield from nested_queries(child)


def from_items(query: ast.Node) -> list[ast.Node]:
    """The items of its FROM or USING, with the target of an UPDATE or a DELETE."""
    if isinstance(query, ast.SelectStmt):
        return list(query.fromClause or ())
    if isinstance(query, ast.UpdateStmt):
        return [query.relation, *(query.fromClause or ())]
    if isinstance(query, ast.DeleteStmt):
        return [query.relation, *(query.usingClause or ())]
    return []


def sources(item: ast.Node) -> Iterator[Source]:
    """The tables of one item of FROM; those of subqueries belong to them."""
    if isinstance(item, ast.RangeVar):
        alias = item.alias.aliasname if item.alias else item.relname
        yield Source(alias, item.relname, item.schemaname)
    elif isinstance(item, ast.JoinExpr):
        yield from sources(item.larg)
        yield from sources(item.rarg)


def conditions(query: ast.Node) -> Iterator[tuple[ast.Node, frozenset[str] | None]]:
    """Each condition that rows of the query have to meet, with the aliases whose rows it filters
    (None: all)."""
    for condition in _conjuncts(getattr(query, "whereClause", None)):
        yield condition, None
    for item in from_items(query):
        yield from _join_conditions(item)


def _join_conditions(item: ast.Node) -> Iterator[tuple[ast.Node, frozenset[str] | None]]:
    if not isinstance(item, ast.JoinExpr):
        return
    sides = [getattr(item, side) for side in _FILTERED.get(item.jointype, ())]
    filtered = frozenset(source.alias for side in sides for source in sources(side))
    for condition in _conjuncts(item.quals):
        yield condition, filtered
    yield from _join_conditions(item.larg)
    yield from _join_conditions(item.rarg)


def _conjuncts(condition: Any) -> Iterator[ast.Node]:
    if isinstance(condition, ast.BoolExpr) and condition.boolop == BoolExprType.AND_EXPR:
        for part in condition.args:
            yield from _conjuncts(part)
    elif condition is not None:
        yield condition


def columns_equal_to_values(condition: ast.Node, column: str) -> Iterator[str]:
    """The qualifier ('' without one) of each such column that the condition sets equal to a
    parameter or a literal."""
    if not _is_operator(condition, "="):
        return
    left, right = condition.lexpr, condition.rexpr
    if isinstance(left, ast.RowExpr) and isinstance(right, ast.RowExpr):
        pairs = list(zip(left.args, right.args, strict=True))
    else:
        pairs = [(left, right)]
    for side, other in pairs:
        for name, value in ((side, other), (other, side)):
            if isinstance(name, ast.ColumnRef) and _is_value(value):
                *qualifier, last = column_path(name)
                if last == column:
                    yield qualifier[-1] if qualifier else ""


def column_path(column: ast.ColumnRef) -> list[str]:
    return [getattr(field, "sval", "*") for field in column.fields]


def _is_value(node: Any) -> bool:
    if isinstance(node, ast.TypeCast):
        return _is_value(node.arg)
    return isinstance(node, ast.ParamRef | ast.A_Const)


def is_sum_or_difference(node: Any) -> bool:
    return _is_operator(node, "+") or _is_operator(node, "-")


def _is_operator(node: Any, name: str) -> bool:
    return (
        isinstance(node, ast.A_Expr)
        and node.kind == A_Expr_Kind.AEXPR_OP
        and node.name[-1].sval == name
    )


def type_name(node: ast.TypeCast) -> str:
    name: str = node.typeName.names[-1].sval
    return name


def function_name(node: ast.FuncCall) -> str:
    name: str = node.funcname[-1].sval
    return name
