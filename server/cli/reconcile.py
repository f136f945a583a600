"""`reconcile`: compares records, rows, ledger and invoices."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from domain import instants, money, refusals
from domain.billing import reconciliation_proof
from models import listing, tables
from models.billing import reconciliation
from models.directory import customers
from runtime import clock
from server import cli

commands = typer.Typer()

_MAX_SHOWN = 20  # differences of a customer in the table; --json prints all
_MIN_WIDTH = 150  # columns


@commands.command()
def reconcile(
    account: cli.AccountId,
    from_: str = typer.Option(
        ..., "--from", help="First hour, such as 2026-11-01 or 2026-11-01T06:00:00Z (UTC)."
    ),
    to: str = typer.Option(..., "--to", help="End, exclusive, in the same form."),
    customer: str = typer.Option("", help="Reference of a customer. Default: all customers."),
    as_json: bool = typer.Option(False, "--json", help="Print the result as JSON."),
    data_dir: cli.DataDir = cli.DEFAULT_DATA_DIR,
) -> None:
    """Sums records, rows, ledger and invoices of whole hours, and lists the differences.

    Exits with 1 if there are differences, with 2 for invalid arguments. Hours that are
    marked, open or not invoiced yet are listed as pending and are not differences.

    Example: ./callboard reconcile --account 1 --from 2026-11-01 --to 2026-12-01
    """
    period = (_instant(from_, "--from"), _instant(to, "--to"))
    proofs = asyncio.run(_proofs(data_dir, account, customer, *period))
    if as_json:
        typer.echo(json.dumps([_as_json(row, proof) for row, proof in proofs], indent=2))
    else:
        _show(proofs)
    raise typer.Exit(0 if all(proof.is_balanced for _, proof in proofs) else 1)


def _instant(text: str, option: str) -> datetime:
    """A date means the start of its UTC day. A time has to name its zone."""
    try:
        return instants.parse_zoned_or_date(text, option)
    except refusals.Refusal as refusal:
        raise typer.BadParameter(refusal.message, param_hint=option) from None


async def _proofs(
    data_dir: Path, account_id: int, reference: str, start: datetime, end: datetime
) -> list[tuple[tables.Customer, reconciliation_proof.Proof]]:
    async with cli.open_services(data_dir):
        now = clock.now()
        try:
            proofs = [
                (row, await reconciliation.reconcile(account_id, row.id, start, end, now))
                async for row in _customers(account_id)
                if reference in ("", row.reference)
            ]
        except refusals.Refusal as refusal:
            raise typer.BadParameter(refusal.message, param_hint="--from, --to") from refusal
    if not proofs:
        raise typer.BadParameter(
            f"account {account_id} has no customer {reference}".rstrip(),
            param_hint="--account, --customer",
        )
    return proofs


async def _customers(account_id: int) -> AsyncIterator[tables.Customer]:
    after: int | None = None
    while page := await customers.page(account_id, listing.PageRequest(after, 100)):
        for row in page:
            yield row
        after = page[-1].id


def _show(proofs: list[tuple[tables.Customer, reconciliation_proof.Proof]]) -> None:
    console = Console(highlight=False)
    console.width = max(console.width, _MIN_WIDTH)  # so that no digit of an amount is cut off
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("customer")
    for heading in ("records", "charge", "rows", "charge", "ledger", "invoiced"):
        table.add_column(heading, justify="right")
    table.add_column("")
    table.add_column("pending")
    for row, proof in proofs:
        verdict = "[green]agree[/]" if proof.is_balanced else "[red]differ[/]"
        sums = (proof.records, proof.rows)
        table.add_row(
            escape(row.reference),
            *(text for item in sums for text in (str(item.calls), money.plain(item.charge))),
            money.plain(proof.ledger),
            f"{money.plain(proof.invoiced)} {proof.currency}",
            verdict,
            _pending(proof),
        )
    console.print(table, soft_wrap=True)
    for row, proof in proofs:
        for item in proof.differences[:_MAX_SHOWN]:
            line = f"{row.reference}  {item.hour:%Y-%m-%d %H:%M}  {item.detail}"
            console.print(f"[red]differs[/]  {escape(line)}", soft_wrap=True)
        if len(proof.differences) > _MAX_SHOWN:
            rest = len(proof.differences) - _MAX_SHOWN
            console.print(f"{escape(row.reference)}: {rest} more differences; --json prints all")


def _pending(proof: reconciliation_proof.Proof) -> str:
    reasons = Counter(item.reason for item in proof.pending)
    parts = [f"{count} {reason}" for reason, count in sorted(reasons.items())]
    if proof.frozen_hours:
        parts.append(f"{proof.frozen_hours} without records (no longer kept)")
    return ", ".join(parts)


def _as_json(row: tables.Customer, proof: reconciliation_proof.Proof) -> dict[str, Any]:
    def sums(item: reconciliation_proof.Sums) -> dict[str, Any]:
        return {"calls": item.calls, "charge": money.plain(item.charge)}

    return {
        "customer": row.reference,
        "currency": proof.currency,
        "balanced": proof.is_balanced,
        "records": sums(proof.records),
        "rows": sums(proof.rows),
        "ledger": {"charge": money.plain(proof.ledger)},
        "invoiced": {"charge": money.plain(proof.invoiced)},
        "frozenHours": proof.frozen_hours,
        "pending": [{"hour": _text(item.hour), "reason": item.reason} for item in proof.pending],
        "differences": [
            {"hour": _text(item.hour), "detail": str(item.detail)} for item in proof.differences
        ],
    }


def _text(hour: datetime) -> str:
    return f"{hour:%Y-%m-%dT%H:%M:%SZ}"
