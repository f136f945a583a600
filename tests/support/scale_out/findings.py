"""The findings of a run: statements that break a rule, and unneeded exemptions."""

from collections.abc import Iterable, Iterator, Sequence

from tests.support.scale_out.exemptions import Exemption
from tests.support.scale_out.recorder import Statement
from tests.support.scale_out.rules import Rule, Violation, violations

_Key = tuple[str, Rule, str]  # function, rule, detail


def failures(
    statements: Iterable[Statement], exemptions: Sequence[Exemption], *, all_ran: bool
) -> list[str]:
    """Lines to print, none if all is well. `all_ran`: an exemption that matched nothing counts."""
    exempt = {key for exemption in exemptions for key in _keys(exemption)}
    line_of_key: dict[_Key, str] = {}
    for statement in dict.fromkeys(statements):
        for violation in violations(statement.sql):
            key = (statement.function, violation.rule, violation.detail)
            line_of_key.setdefault(key, _line(statement, violation))
    lines = [line for key, line in line_of_key.items() if key not in exempt]
    if all_ran:
        lines += [_stale(key) for key in sorted(exempt - set(line_of_key))]
    return lines


def _keys(exemption: Exemption) -> Iterator[_Key]:
    for detail in exemption.details:
        yield exemption.function, exemption.rule, detail


def _line(statement: Statement, violation: Violation) -> str:
    return (
        f"{statement.line}: {violation.detail}: {violation.rule.value}\n"
        f"    {statement.function}: {' '.join(statement.sql.split())[:300]}"
    )


def _stale(key: _Key) -> str:
    function, rule, detail = key
    return (
        "tests/support/scale_out/exemptions.py: nothing needs this entry any more; remove it: "
        f"{function}, {rule.name}, {detail}"
    )
