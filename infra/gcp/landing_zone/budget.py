"""The budget: a message at 80 percent, at all of it, and where a month is likely to exceed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi
from pulumi_gcp import billing
from waterflow_infra.zone import BUDGET_STEPS

from landing_zone.component import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    from landing_zone.place import Place

_BASES = {"actual": "CURRENT_SPEND", "forecasted": "FORECASTED_SPEND"}


@dataclass(frozen=True, kw_only=True)
class BudgetArgs:
    """What the budget is made of.

    Attributes:
        place: Whose costs count.
        account: Id of the billing account.
        amount: An amount a month, in the billing account's currency.
        topic: Where its messages go.
        channels: Who is told.
    """

    place: Place
    account: str
    amount: int
    topic: pulumi.Input[str]
    channels: Sequence[pulumi.Input[str]]


class Budget(Component[BudgetArgs]):
    """The budget of the project."""

    def _make(self, name: str, args: BudgetArgs) -> None:
        billing.Budget(
            name,
            billing_account=args.account,
            display_name=name,
            budget_filter={
                "projects": [f"projects/{args.place.number}"],
                "calendar_period": "MONTH",
            },
            amount={"specified_amount": {"units": str(args.amount)}},
            threshold_rules=[
                {"threshold_percent": percent / 100, "spend_basis": _BASES[kind]}
                for kind, percent in BUDGET_STEPS
            ],
            all_updates_rule={
                "pubsub_topic": args.topic,
                "monitoring_notification_channels": list(args.channels),
                "disable_default_iam_recipients": False,
            },
            opts=self.child(),
        )
        self.register_outputs({})
