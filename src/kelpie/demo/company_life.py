"""What happens at the demo's made-up company: who signs up, tries, buys, changes plans, pays late, leaves and returns.

All chance comes from forks of one seed and all arithmetic is on whole days and whole cents, so every machine makes
the same rows. Amounts are in cents, `ended_on` is the first day on which a subscription no longer holds.
"""

import calendar
import datetime as dt
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from umi.dst import Rng

FIRST_DAY = dt.date(2022, 11, 1)
LAST_DAY = dt.date(2025, 11, 18)

_SEED = "tidewater-7"
_INTERNAL_ACCOUNTS = 12
_Item = TypeVar("_Item")


class Plan(NamedTuple):
    plan_id: int
    name: str
    monthly_cents: int  # a seat and month, billed monthly
    annual_cents: int  # a seat and month, billed annually
    seats_min: int
    seats_max: int
    trial_days: int
    churn_percent: int  # at each monthly renewal


PLANS = (
    Plan(1, "Starter", 2_400, 2_000, 1, 8, 14, 5),
    Plan(2, "Team", 4_800, 4_000, 5, 30, 14, 3),
    Plan(3, "Business", 8_400, 7_000, 20, 90, 30, 2),
    Plan(4, "Enterprise", 13_200, 11_000, 60, 260, 30, 1),
)


class Customer(NamedTuple):
    customer_id: int
    name: str
    country: str | None
    region: str | None
    industry: str | None
    company_size: str
    acquisition_channel: str
    signed_up_on: dt.date
    is_internal: bool


class Subscription(NamedTuple):
    subscription_id: int
    customer_id: int
    plan_id: int
    is_trial: bool
    billing_interval: str
    seats: int
    monthly_cents: int
    started_on: dt.date
    start_reason: str
    ended_on: dt.date | None
    end_reason: str | None


class Invoice(NamedTuple):
    customer_id: int
    subscription_id: int
    issued_on: dt.date
    recorded_on: dt.date
    due_on: dt.date
    paid_on: dt.date | None
    amount_cents: int
    status: str


class Refund(NamedTuple):
    invoice: Invoice
    refunded_on: dt.date
    amount_cents: int
    reason: str | None


class Payout(NamedTuple):
    customer_id: int
    partner: str
    paid_on: dt.date
    amount_cents: int
    currency: str


# (value, weight); a weight may depend on what the customer is.
_COUNTRIES = (
    ("United States", "North America", 34), ("Canada", "North America", 8), ("United Kingdom", "Europe", 12),
    ("Germany", "Europe", 9), ("France", "Europe", 6), ("Netherlands", "Europe", 4), ("Spain", "Europe", 3),
    ("Australia", "Asia Pacific", 6), ("Japan", "Asia Pacific", 4), ("Singapore", "Asia Pacific", 3),
    ("Brazil", "Latin America", 4), ("Mexico", "Latin America", 2), (None, None, 5),
)  # fmt: skip
_INDUSTRIES = (
    ("Software", 24), ("Retail", 15), ("Healthcare", 12), ("Financial services", 12), ("Education", 9),
    ("Manufacturing", 12), ("Media", 8), (None, 8),
)  # fmt: skip
_SIZES = (("1-10", 30), ("11-50", 30), ("51-200", 20), ("201-1000", 13), ("1000+", 7))
_CHANNELS = (
    ("organic search", 27), ("paid search", 22), ("referral", 15), ("partner", 12), ("outbound sales", 16),
    ("events", 8),
)  # fmt: skip
_CONVERSION_PERCENT = {
    "organic search": 48, "paid search": 36, "referral": 62, "partner": 55, "outbound sales": 50, "events": 42,
}  # fmt: skip
_PLAN_WEIGHTS = {
    "1-10": (75, 24, 1, 0), "11-50": (30, 58, 12, 0), "51-200": (6, 46, 43, 5), "201-1000": (0, 14, 56, 30),
    "1000+": (0, 2, 33, 65),
}  # fmt: skip
_PARTNERS = (
    ("Blue Harbor, Inc.", "USD"), ("Alpine Resellers GmbH", "EUR"), ("O'Leary & Partners", "GBP"),
    ('Kestrel "K2" Consulting', "USD"),
)  # fmt: skip
_REASONS = (("service outage", 30), ("billing error", 30), ("goodwill", 25), ("duplicate charge", 10), (None, 5))
_FIRST_WORDS = (
    "Amber", "Birch", "Cobalt", "Delta", "Ember", "Fjord", "Granite", "Harbor", "Indigo", "Juniper", "Kestrel",
    "Lantern", "Meadow", "Nimbus", "Orchid", "Pioneer", "Quartz", "Raven", "Saffron", "Timber", "Umbra", "Velvet",
    "Willow", "Yarrow", "Zephyr", "O'Brien", "D'Angelo", "Sankt-Pölten",
)  # fmt: skip
_SECOND_WORDS = (
    "Analytics", "Bakery", "Clinics", "Dynamics", "Electronics", "Foods", "Games", "Holdings", "Insurance", "Jewelers",
    "Kitchens", "Logistics", "Motors", "Networks", "Optics", "Pharma", "Robotics", "Studios", "Textiles", "Ventures",
)  # fmt: skip
_SUFFIXES = ("{}", "{}", "{}, Inc.", "{} GmbH", "{} & Sons", '{} "Group"', "The {} Co., Ltd.")  # fmt: skip


def customers() -> list[Customer]:
    """Everybody who ever signed up, in the order of their days, with some accounts of the company's own."""
    rng = Rng(_SEED).fork("customers")
    found: list[Customer] = []
    names: set[str] = set()
    days = (LAST_DAY - FIRST_DAY).days
    internal_days = {days * n // _INTERNAL_ACCOUNTS for n in range(_INTERNAL_ACCOUNTS)}
    for number in range(days + 1):
        day = FIRST_DAY + dt.timedelta(days=number)
        # From about 0.8 sign-ups a weekday to 2, of three chances each; fewer at weekends.
        chance = (800 + 1_200 * number // days) // (3 if day.weekday() < 5 else 10)
        count = sum(rng.randint(0, 999) < chance for _ in range(3))
        if day == LAST_DAY:
            count = 3  # every clock of the company reaches its last day
        for _ in range(count):
            found.append(_customer(rng, len(found) + 1, day, names))
        if number in internal_days:
            customer_id = len(found) + 1
            found.append(
                Customer(
                    customer_id, f"Tidewater Test {customer_id}", "United States", "North America", "Software",
                    "11-50", "outbound sales", day, is_internal=True,
                )
            )  # fmt: skip
    return found


def _customer(rng: Rng, customer_id: int, day: dt.date, names: set[str]) -> Customer:
    while True:
        words = f"{_one(rng, _FIRST_WORDS)} {_one(rng, _SECOND_WORDS)}"
        name = _one(rng, _SUFFIXES).format(words)
        if name not in names:
            names.add(name)
            break
    country, region = _weighted(rng, [((country, region), weight) for country, region, weight in _COUNTRIES])
    return Customer(
        customer_id, name, country, region, _weighted(rng, _INDUSTRIES), _weighted(rng, _SIZES),
        _weighted(rng, _CHANNELS), day, is_internal=False,
    )  # fmt: skip


def subscriptions(everybody: Sequence[Customer]) -> list[Subscription]:
    """Every trial and paid subscription: a change of plan ends one row and begins the next on the same day."""
    found: list[Subscription] = []
    for customer in everybody:
        rng = Rng(_SEED).fork(f"subscriptions/{customer.customer_id}")
        for row in _life(rng, customer):
            found.append(row._replace(subscription_id=len(found) + 1))
    return found


def _life(rng: Rng, customer: Customer) -> Iterator[Subscription]:
    """One customer's rows, one after the other; never two on the same day."""
    plan = _weighted(rng, list(zip(PLANS, _PLAN_WEIGHTS[customer.company_size], strict=True)))
    day = customer.signed_up_on
    buys_at_once = 60 if customer.acquisition_channel == "outbound sales" else 8
    if customer.is_internal:
        plan = PLANS[3]
    elif rng.randint(0, 99) >= buys_at_once:
        trial = _trial(rng, customer, plan)
        yield trial
        if trial.end_reason != "converted" or trial.ended_on is None:
            return
        day = trial.ended_on
    interval = "annual" if rng.randint(0, 99) < 20 + 10 * plan.plan_id else "monthly"
    seats = rng.randint(plan.seats_min, plan.seats_max)
    discount = _weighted(rng, [(0, 75), (10, 17), (20, 8)])
    lasting = customer.is_internal and customer.customer_id % 3 > 0
    reason = "new"
    while True:
        row = _paid(customer.customer_id, plan, interval, seats, discount, day, reason)
        ended, what = _end_of(rng, plan, interval, day, lasting=lasting)
        if ended is None:
            yield row
            return
        yield row._replace(ended_on=ended, end_reason=what)
        if what == "churned":
            day = ended + dt.timedelta(days=rng.randint(40, 220))
            if rng.randint(0, 99) >= 12 or day > LAST_DAY:
                return
            reason = "reactivation"
            continue
        plan = PLANS[plan.plan_id - 1 + (1 if what == "upgrade" else -1)]
        seats = min(max(seats, plan.seats_min), plan.seats_max)
        day, reason = ended, what


def _trial(rng: Rng, customer: Customer, plan: Plan) -> Subscription:
    start, seats = customer.signed_up_on, rng.randint(1, 5)
    ends = start + dt.timedelta(days=plan.trial_days)
    converts = rng.randint(0, 99) < _CONVERSION_PERCENT[customer.acquisition_channel]
    if converts and rng.randint(0, 99) < 40:
        ends = start + dt.timedelta(days=rng.randint(2, plan.trial_days))
    trial = Subscription(
        0, customer.customer_id, plan.plan_id, True, "monthly", seats, seats * plan.monthly_cents, start, "trial",
        None, None,
    )  # fmt: skip
    if ends > LAST_DAY:
        return trial
    return trial._replace(ended_on=ends, end_reason="converted" if converts else "expired")


def _paid(
    customer_id: int, plan: Plan, interval: str, seats: int, discount: int, day: dt.date, reason: str
) -> Subscription:
    per_seat = plan.annual_cents if interval == "annual" else plan.monthly_cents
    cents = seats * per_seat * (100 - discount) // 100
    return Subscription(0, customer_id, plan.plan_id, False, interval, seats, cents, day, reason, None, None)


def _end_of(rng: Rng, plan: Plan, interval: str, day: dt.date, *, lasting: bool) -> tuple[dt.date | None, str]:
    """When and why a paid subscription that began on `day` ends: churn at a renewal, a change of plan in any month."""
    for month in range(1, 40):
        renewal = add_months(day, month)
        if renewal > LAST_DAY or lasting:
            return None, ""
        leaves = plan.churn_percent if interval == "monthly" else (plan.churn_percent * 6 if month % 12 == 0 else 0)
        drawn = rng.randint(0, 999)
        if drawn < leaves * 10:
            return renewal, "churned"
        if plan.plan_id < len(PLANS) and drawn >= 1_000 - (22 if interval == "monthly" else 12):
            return renewal, "upgrade"
        if plan.plan_id > 1 and leaves * 10 <= drawn < leaves * 10 + 6 and interval == "monthly":
            return renewal, "downgrade"
    return None, ""


def invoices(every: Sequence[Subscription]) -> list[Invoice]:
    """One for each month or year of each paid subscription, in the order they were recorded."""
    found: list[Invoice] = []
    for subscription in every:
        if subscription.is_trial:
            continue
        rng = Rng(_SEED).fork(f"invoices/{subscription.subscription_id}")
        step = 12 if subscription.billing_interval == "annual" else 1
        before = subscription.ended_on or LAST_DAY + dt.timedelta(days=1)
        issued = [day for n in range(0, 40, step) if (day := add_months(subscription.started_on, n)) < before]
        for day in issued:
            last_one = subscription.end_reason == "churned" and day == issued[-1]
            found.append(_invoice(rng, subscription, day, step * subscription.monthly_cents, last_one=last_one))
    return sorted(found, key=lambda invoice: (invoice.recorded_on, invoice.subscription_id, invoice.issued_on))


def _invoice(rng: Rng, subscription: Subscription, issued: dt.date, cents: int, *, last_one: bool) -> Invoice:
    # One in twenty-five is entered weeks after the date it bears, often in another month.
    late = rng.randint(20, 75) if rng.randint(0, 99) < 4 else _weighted(rng, [(0, 70), (1, 20), (3, 10)])
    recorded = issued + dt.timedelta(days=late)
    if recorded > LAST_DAY:
        recorded = issued
    due_days = 14 if subscription.plan_id == 1 else 30
    due = issued + dt.timedelta(days=due_days)
    drawn = rng.randint(0, 999)
    paid: dt.date | None = issued + dt.timedelta(days=rng.randint(0, due_days))
    if drawn < (250 if last_one else 40):
        paid = None
    elif drawn >= 860:
        paid = due + dt.timedelta(days=rng.randint(1, 70))
    if paid is not None:
        paid = max(paid, recorded)
        paid = paid if paid <= LAST_DAY else None
    status = "paid" if paid else "overdue" if due < LAST_DAY else "open"
    if drawn < 15:
        status = "void"
    customer_id, subscription_id = subscription.customer_id, subscription.subscription_id
    return Invoice(customer_id, subscription_id, issued, recorded, due, paid, cents, status)


def refunds(every: Sequence[Invoice], owners: dict[int, Subscription]) -> list[Refund]:
    """Of paid invoices only, some in two parts, together never more than the invoice."""
    found: list[Refund] = []
    for number, invoice in enumerate(every):
        if invoice.paid_on is None:
            continue
        rng = Rng(_SEED).fork(f"refunds/{number}")
        subscription = owners[invoice.subscription_id]
        ended = subscription.ended_on
        unused = _months_left(invoice, subscription)
        if unused and ended is not None and subscription.end_reason == "upgrade":
            day = max(ended, invoice.paid_on) + dt.timedelta(days=rng.randint(2, 20))
            parts: list[tuple[dt.date, int, str | None]] = [(day, invoice.amount_cents * unused // 12, "plan change")]
        elif rng.randint(0, 999) < 32:
            day = invoice.paid_on + dt.timedelta(days=rng.randint(3, 75))
            cents = invoice.amount_cents * _weighted(rng, [(10, 30), (25, 30), (50, 20), (100, 20)]) // 100
            parts = [(day, cents, _weighted(rng, _REASONS))]
            if rng.randint(0, 99) < 18:
                again = day + dt.timedelta(days=rng.randint(5, 40))
                parts = [(day, cents // 2, parts[0][2]), (again, cents - cents // 2, _weighted(rng, _REASONS))]
        else:
            continue
        found += [Refund(invoice, day, cents, reason) for day, cents, reason in parts if day <= LAST_DAY and cents]
    return sorted(found, key=lambda refund: (refund.refunded_on, refund.invoice.subscription_id, refund.amount_cents))


def _months_left(invoice: Invoice, subscription: Subscription) -> int:
    """Whole months of an annual invoice that a change of plan left unused."""
    if subscription.billing_interval != "annual" or subscription.ended_on is None:
        return 0
    first, last = invoice.issued_on, subscription.ended_on
    return max(0, 12 - (last.year - first.year) * 12 - (last.month - first.month))


def payouts(everybody: Sequence[Customer], every: Sequence[Invoice]) -> list[Payout]:
    """15 % of what a partner's customers paid, on the 15th of the month after, in the partner's currency."""
    rng = Rng(_SEED).fork("partners")
    by_partner = {c.customer_id: _one(rng, _PARTNERS) for c in everybody if c.acquisition_channel == "partner"}
    found = []
    for invoice in every:
        if invoice.customer_id in by_partner and invoice.paid_on is not None:
            day = add_months(invoice.paid_on.replace(day=15), 1)
            partner, currency = by_partner[invoice.customer_id]
            if day <= LAST_DAY:
                found.append(Payout(invoice.customer_id, partner, day, invoice.amount_cents * 15 // 100, currency))
    return sorted(found, key=lambda payout: (payout.paid_on, payout.customer_id))


def add_months(day: dt.date, months: int) -> dt.date:
    """The same day of a later month, or that month's last day where it has none such."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return dt.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _one(rng: Rng, items: Sequence[_Item]) -> _Item:
    return items[rng.randint(0, len(items) - 1)]


def _weighted(rng: Rng, items: Sequence[tuple[_Item, int]]) -> _Item:
    drawn = rng.randint(1, sum(weight for _, weight in items))
    for item, weight in items:
        drawn -= weight
        if drawn <= 0:
            return item
    raise AssertionError("the weights add up")
