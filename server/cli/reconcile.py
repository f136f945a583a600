"""`reconcile`: records, rows, ledger and invoices side by side."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain import money, refusals
from domain import reconciliation as rules
from models import customers, db, lists, reconciliation, tables
from runtime import clock
from server import cli

commands = typer.Typer()

_SHOWN = 20  # differences of a customer in the table; --json has all
_WIDE = 150  # columns


@commands.command()
def reconcile(
    account: int = typer.Option(help="The account's id."),
    from_: str = typer.Option(
        ..., "--from", help="First hour, such as 2026-11-01 or 2026-11-01T06:00Z (UTC)."
    ),
    to: str = typer.Option(..., "--to", help="End, exclusive, in the same form."),
    customer: str = typer.Option("", help="One customer's reference; none: every customer."),
    as_json: bool = typer.Option(False, "--json", help="Print all of it as JSON."),
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
) -> None:
    """Sums records, rows, ledger and invoices of whole hours, and names what does not agree.

    Ends with 1 where something differs, with 2 for arguments it cannot use.
    Hours that are marked, open or not invoiced yet are listed as pending:
    they are no difference.

    Example: ./callboard reconcile --account 1 --from 2026-11-01 --to 2026-12-01
    """
    period = (_instant(from_, "--from"), _instant(to, "--to"))
    proofs = asyncio.run(_proofs(data_dir, account, customer, *period))
    if as_json:
        typer.echo(json.dumps([_as_json(row, proof) for row, proof in proofs], indent=2))
    else:
        _show(proofs)
    raise typer.Exit(0 if all(proof.balanced for _, proof in proofs) else 1)


def _instant(text: str, option: str) -> datetime:
    """A date is the start of its UTC day; an instant has to name its zone."""
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None and len(text) > len("2026-11-01"):
            raise typer.BadParameter(f"{text!r} needs a zone, such as Z", param_hint=option)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        advice = f"{text!r} is no date and no instant; write 2026-11-01 or 2026-11-01T06:00Z"
        raise typer.BadParameter(advice, param_hint=option) from None


async def _proofs(
    data_dir: Path, account_id: int, reference: str, start: datetime, end: datetime
) -> list[tuple[tables.Customer, rules.Proof]]:
    async with cli.opened(data_dir):
        await db.migrate()
        now = clock.now()
        try:
            found = [
                (row, await reconciliation.reconcile(account_id, row.id, start, end, now))
                async for row in _customers(account_id)
                if reference in ("", row.reference)
            ]
        except refusals.Refusal as refusal:
            raise typer.BadParameter(refusal.message, param_hint="--from, --to") from refusal
    if not found:
        raise typer.BadParameter(
            f"account {account_id} has no customer {reference}".rstrip(),
            param_hint="--account, --customer",
        )
    return found


async def _customers(account_id: int) -> AsyncIterator[tables.Customer]:
    after: int | None = None
    while page := await customers.page(account_id, lists.Wanted(after, 100)):
        for row in page:
            yield row
        after = page[-1].id


def _show(proofs: list[tuple[tables.Customer, rules.Proof]]) -> None:
    console = Console(highlight=False)
    console.width = max(console.width, _WIDE)  # no digit of an amount is ever cut off
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("customer")
    for heading in ("records", "charge", "rows", "charge", "ledger", "invoiced"):
        table.add_column(heading, justify="right")
    table.add_column("")
    table.add_column("pending")
    for row, proof in proofs:
        verdict = "[green]agree[/]" if proof.balanced else "[red]differ[/]"
        sums = (proof.records, proof.rows)
        table.add_row(
            escape(row.reference),
            *(text for one in sums for text in (str(one.calls), money.plain(one.charge))),
            money.plain(proof.ledger),
            f"{money.plain(proof.invoiced)} {proof.currency}",
            verdict,
            _pending(proof),
        )
    console.print(table, soft_wrap=True)
    for row, proof in proofs:
        for one in proof.differences[:_SHOWN]:
            line = f"{row.reference}  {one.hour:%Y-%m-%d %H:%M}  {one.detail}"
            console.print(f"[red]differs[/]  {escape(line)}", soft_wrap=True)
        if len(proof.differences) > _SHOWN:
            rest = len(proof.differences) - _SHOWN
            console.print(f"{escape(row.reference)}: {rest} more differences; --json has them all")


def _pending(proof: rules.Proof) -> str:
    reasons = Counter(one.reason for one in proof.pending)
    parts = [f"{count} {reason}" for reason, count in sorted(reasons.items())]
    if proof.frozen_hours:
        parts.append(f"{proof.frozen_hours} without records (no longer kept)")
    return ", ".join(parts)


def _as_json(row: tables.Customer, proof: rules.Proof) -> dict[str, Any]:
    def sums(one: rules.Sums) -> dict[str, Any]:
        return {"calls": one.calls, "charge": money.plain(one.charge)}

    return {
        "customer": row.reference,
        "currency": proof.currency,
        "balanced": proof.balanced,
        "records": sums(proof.records),
        "rows": sums(proof.rows),
        "ledger": {"charge": money.plain(proof.ledger)},
        "invoiced": {"charge": money.plain(proof.invoiced)},
        "frozenHours": proof.frozen_hours,
        "pending": [{"hour": _text(one.hour), "reason": one.reason} for one in proof.pending],
        "differences": [
            {"hour": _text(one.hour), "detail": str(one.detail)} for one in proof.differences
        ],
    }


def _text(hour: datetime) -> str:
    return f"{hour:%Y-%m-%dT%H:%M:%SZ}"
