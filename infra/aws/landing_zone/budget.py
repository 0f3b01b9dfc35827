"""The budget: a message at 80 percent, at all of it, and where a month is likely to exceed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi_aws as aws
from waterflow_infra.zone import BUDGET_STEPS

from landing_zone.component import Component

if TYPE_CHECKING:
    import pulumi


@dataclass(frozen=True, kw_only=True)
class BudgetArgs:
    """What the budget is made of.

    Attributes:
        dollars: US dollars a month.
        tag: The value of the tag `environment` whose costs count; None for all of the account's.
        topic_arn: Who is told.
    """

    dollars: int
    tag: str | None
    topic_arn: pulumi.Input[str]


class Budget(Component[BudgetArgs]):
    """The budget."""

    def _make(self, name: str, args: BudgetArgs) -> None:
        only: list[Any] | None = None
        if args.tag is not None:
            only = [{"name": "TagKeyValue", "values": [f"user:environment${args.tag}"]}]
        aws.budgets.Budget(
            name,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=str(args.dollars),
            limit_unit="USD",
            cost_filters=only,
            notifications=[
                {
                    "comparison_operator": "GREATER_THAN",
                    "notification_type": kind.upper(),
                    "threshold": percent,
                    "threshold_type": "PERCENTAGE",
                    "subscriber_sns_topic_arns": [args.topic_arn],
                }
                for kind, percent in BUDGET_STEPS
            ],
            opts=self.child(),
        )
        self.register_outputs({})
