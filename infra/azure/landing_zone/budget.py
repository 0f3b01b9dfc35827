"""The budget: a message at 80 percent, at all of it, and where a month is likely to exceed it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pulumi_azure_native import consumption
from waterflow_infra.zone import BUDGET_STEPS

from landing_zone.component import Component

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi


@dataclass(frozen=True, kw_only=True)
class BudgetArgs:
    """What the budget is made of.

    Attributes:
        dollars: An amount a month, in the subscription's currency.
        scope: Address of what costs: the resource group, or the subscription.
        group_id: Address of the group that is told.
        emails: Who else is told: Azure wants them named here too.
    """

    dollars: int
    scope: str
    group_id: pulumi.Input[str]
    emails: Sequence[str]


class Budget(Component[BudgetArgs]):
    """The budget."""

    def _make(self, name: str, args: BudgetArgs) -> None:
        consumption.Budget(
            name,
            scope=args.scope,
            category=consumption.CategoryType.COST,
            amount=args.dollars,
            time_grain=consumption.TimeGrainType.MONTHLY,
            # Azure wants the first of a month that is not over; of a budget that is there it stays.
            time_period={"start_date": f"{datetime.now(UTC):%Y-%m}-01T00:00:00Z"},
            notifications={
                f"{kind}-{percent}": {
                    "enabled": True,
                    "operator": "GreaterThan",
                    "threshold": percent,
                    "threshold_type": kind.capitalize(),
                    "contact_emails": list(args.emails),
                    "contact_groups": [args.group_id],
                }
                for kind, percent in BUDGET_STEPS
            },
            opts=self.child(ignore_changes=["timePeriod"]),
        )
        self.register_outputs({})
