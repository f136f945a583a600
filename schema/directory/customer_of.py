"""Adds the field `customer` to the objects of a customer: calls, SIP users, number blocks and
invoices."""

import strawberry

from schema.billing import invoice_types
from schema.directory import customers
from schema.engine import base, extension, permissions
from schema.numbering import number_blocks, sip_users
from schema.records import call_types


async def _of_sip_user(
    root: strawberry.Parent[sip_users.SipUser], info: base.Info
) -> customers.Customer:
    return await customers.of(info, root.row.account_id, root.row.customer_id)


async def _of_block(
    root: strawberry.Parent[number_blocks.NumberBlock], info: base.Info
) -> customers.Customer:
    return await customers.of(info, root.row.account_id, root.row.customer_id)


async def _of_invoice(
    root: strawberry.Parent[invoice_types.Invoice], info: base.Info
) -> customers.Customer:
    return await customers.of(info, root.account_id, root.customer_id)


async def _of_call(root: strawberry.Parent[call_types.Call], info: base.Info) -> customers.Customer:
    return await customers.of(info, root.account_id, root.record.customer_id)


def install() -> None:
    extension.extend(
        sip_users.SipUser, "customer", _of_sip_user, ("The customer to which it is assigned.")
    )
    extension.extend(
        number_blocks.NumberBlock, "customer", _of_block, ("The customer to which it is assigned.")
    )
    extension.extend(invoice_types.Invoice, "customer", _of_invoice, "The customer that it bills.")
    of_call = permissions.open_field(
        resolver=_of_call, description="The customer that made the call."
    )
    extension.add(call_types.Call, "customer", of_call)
