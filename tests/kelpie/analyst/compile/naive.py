"""A second opinion: metric queries answered row by row in plain Python, with date arithmetic of its own.

Slow, and written to be read beside docs/analyst.md rather than beside the compiler: no window with an open end, no
shift in months, no SQL. A period's counterpart is found by walking days.
"""

import datetime as dt
import functools
from fractions import Fraction

DAY = dt.timedelta(days=1)
YEAR_BEGINS = 2

MODEL = """
name: shop
label: a shop
entities:
  - {name: customer, table: customers, key: id, label: customer, plural: customers}
  - {name: invoice, table: invoices, key: id, label: invoice, plural: invoices}
  - {name: refund, table: refunds, key: id, label: refund, plural: refunds}
  - {name: plan, table: plans, key: id, label: plan, plural: plans}
  - {name: seat, table: seats, key: id, label: seat, plural: seats}
joins:
  - {from: invoice, to: customer, on: invoice.customer_id = customer.id}
  - {from: refund, to: customer, on: refund.customer_id = customer.id}
  - {from: plan, to: customer, on: plan.customer_id = customer.id}
  - {from: seat, to: customer, on: seat.customer_id = customer.id}
dimensions:
  - {name: country, label: country, plural: countries, expr: customer.country}
  - {name: size, label: size, plural: sizes, expr: customer.size, type: number}
times:
  - {name: issued, label: issued, expr: invoice.issued_on}
  - {name: paid, label: paid, expr: invoice.paid_on}
  - {name: refunded, label: refunded, expr: refund.refunded_on}
fiscal: {year_begins: 2}
metrics:
  - {name: invoiced, label: invoiced, kind: flow, entity: invoice, expr: SUM(invoice.amount),
     times: [issued, paid], time_default: true}
  - {name: invoices, label: invoices, kind: flow, entity: invoice, expr: COUNT(*), times: [issued, paid]}
  - {name: buyers, label: buyers, kind: flow, entity: invoice, expr: COUNT(DISTINCT invoice.customer_id),
     times: [issued, paid]}
  - {name: large, label: large, kind: flow, entity: invoice, expr: COUNT(*), filters: [invoice.amount > 10],
     times: [issued, paid]}
  - {name: average_invoice, label: average, kind: ratio, entity: invoice, numerator: SUM(invoice.amount),
     denominator: COUNT(invoice.amount), times: [issued, paid]}
  - {name: refunds_paid, label: refunds, kind: flow, entity: refund, expr: SUM(refund.amount)}
  - {name: net, label: net, kind: formula, formula: invoiced - refunds_paid}
  - {name: refund_rate, label: refund rate, kind: formula, formula: 2 * refunds_paid / invoiced}
  - {name: mrr, label: MRR, kind: stock, entity: plan, expr: SUM(plan.amount), since: plan.begins_on,
     until: plan.ends_on}
  - {name: subscribers, label: subscribers, kind: stock, entity: plan, expr: COUNT(*), since: plan.begins_on,
     until: plan.ends_on, filters: [plan.amount > 0]}
  - {name: arpu, label: ARPU, kind: formula, formula: (mrr + 0) / subscribers}
  - {name: margin, label: margin, kind: formula, formula: net - mrr}
  - {name: odd, label: odd, kind: formula, formula: average_invoice * invoices}
  - {name: seats_used, label: seats, kind: stock, entity: seat, expr: SUM(seat.used), at: seat.counted_on}
"""
TABLES = {
    "customers": ("id", "country", "size"),
    "invoices": ("id", "customer_id", "amount", "issued_on", "paid_on"),
    "refunds": ("id", "customer_id", "amount", "refunded_on"),
    "plans": ("id", "customer_id", "amount", "begins_on", "ends_on"),
    "seats": ("id", "customer_id", "used", "counted_on"),
}


def _over(above, below):
    return Fraction(above) / Fraction(below) if below else None


FLOWS = {
    "invoiced": ("invoices", "issued_on", lambda rows: _sum(row["amount"] for row in rows)),
    "invoices": ("invoices", "issued_on", len),
    "buyers": ("invoices", "issued_on", lambda rows: len({row["customer_id"] for row in rows} - {None})),
    "large": (
        "invoices",
        "issued_on",
        lambda rows: sum(row["amount"] is not None and row["amount"] > 10 for row in rows),
    ),
    "average_invoice": ("invoices", "issued_on", lambda rows: _mean([row["amount"] for row in rows])),
    "refunds_paid": ("refunds", "refunded_on", lambda rows: _sum(row["amount"] for row in rows)),
}
STOCKS = {
    "mrr": ("plans", lambda rows: _sum(row["amount"] for row in rows)),
    "subscribers": ("plans", lambda rows: sum(row["amount"] is not None and row["amount"] > 0 for row in rows)),
    "seats_used": ("seats", lambda rows: _sum(row["used"] for row in rows)),
}
FORMULAS = {
    "net": (["invoiced", "refunds_paid"], lambda invoiced, refunds: invoiced - refunds),
    "refund_rate": (["refunds_paid", "invoiced"], lambda refunds, invoiced: _over(2 * refunds, invoiced)),
    "arpu": (["mrr", "subscribers"], _over),
    "odd": (["average_invoice", "invoices"], lambda average, invoices: average * invoices),
    "margin": (["invoiced", "refunds_paid", "mrr"], lambda invoiced, refunds, mrr: invoiced - refunds - mrr),
}


def _sum(values):
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _mean(values):
    known = [value for value in values if value is not None]
    return Fraction(sum(map(Fraction, known))) / len(known) if known else None


@functools.cache
def period(day, grain):
    """The first day of the period that holds `day`, found by walking back."""

    def begins(one):
        return {
            "day": True,
            "week": one.weekday() == 0,
            "month": one.day == 1,
            "quarter": one.day == 1 and one.month in (1, 4, 7, 10),
            "year": (one.day, one.month) == (1, 1),
            "fiscal_quarter": one.day == 1 and one.month in (2, 5, 8, 11),
            "fiscal_year": (one.day, one.month) == (1, YEAR_BEGINS),
        }[grain]

    while not begins(day):
        day -= DAY
    return day


@functools.cache
def last_day(begin, grain):
    day = begin
    while period(day + DAY, grain) == begin:
        day += DAY
    return day


def year_earlier(day):
    """The same day of the year before; what 29 February turns into is for the callers to avoid."""
    return day.replace(year=day.year - 1) if (day.month, day.day) != (2, 29) else dt.date(day.year - 1, 3, 1)


class Naive:
    """`data` is table -> rows as dicts; `coverage` name -> (first, last) of axes and stocks."""

    def __init__(self, data, coverage):
        self.data, self.coverage = data, coverage
        self.customers = {row["id"]: row for row in data["customers"]}

    def answer(self, query):
        """Rows as lists, in the order of the query."""
        self.query = query
        self.grain = query.get("grain")
        self.first, self.last = (_day(query.get(name)) for name in ("time_from", "time_to"))
        needed = dict.fromkeys(base for name in query["metrics"] for base in FORMULAS.get(name, ([name],))[0])
        now = {base: self.window(base, "now", query["filters"]) for base in needed}
        before = (
            {base: self.window(base, "before", query["filters"]) for base in needed} if query.get("compare") else {}
        )
        keys = {key for groups in (*now.values(), *before.values()) for key in groups}
        rows = []
        for key in keys:
            row = list(key)
            for name in query["metrics"]:
                row += self.measures(name, key, now, before)
            rows.append(row)
        return self.arranged(rows)

    def measures(self, name, key, now, before):
        value = self.value(name, key, now)
        found = [value]
        if self.query.get("compare"):
            was = self.value(name, key, before)
            change = None if value is None or was is None else value - was
            growth = None if change is None or was <= 0 else Fraction(change) / Fraction(was)
            found += [was, change, growth]
        if self.query.get("share"):
            whole = self.whole(name, key)
            found.append(None if value is None or not whole else Fraction(value) / Fraction(whole))
        return found

    def value(self, name, key, windows):
        if name not in FORMULAS:
            return windows[name].get(key)
        bases, formula = FORMULAS[name]
        values = [windows[base].get(key) for base in bases]
        if all(value is None for value in values) or ("average_invoice" in bases and values[0] is None):
            return None
        return formula(*(value or 0 for value in values))

    def whole(self, name, key):
        """The metric over all values of the shared dimensions, in the row's other groups."""
        shared = self.query["share"]
        filters = [rule for rule in self.query["filters"] if rule["dimension"] not in shared]
        kept = [place for place, group in enumerate(self.groups) if group not in shared]
        bases = FORMULAS.get(name, ([name],))[0]
        windows = {base: self.window(base, "now", filters, [self.groups[place] for place in kept]) for base in bases}
        return self.value(name, tuple(key[place] for place in kept), windows)

    @property
    def groups(self):
        return [*self.query["dimensions"], *([self.grain] if self.grain else [])]

    def window(self, name, role, filters, groups=None):
        """key -> value of a base metric, of the time asked for or of the one it is compared with."""
        groups = self.groups if groups is None else groups
        table = FLOWS[name][0] if name in FLOWS else STOCKS[name][0]
        rows = [row for row in self.data[table] if self.passes(row, filters)]
        dated = self.dated_flow(name, rows, role) if name in FLOWS else self.held(name, rows, role)
        met = {}
        for begin, row in dated:
            key = tuple(begin if group == self.grain else self.dimension(row, group) for group in groups)
            met.setdefault(key, []).append(row)
        if not groups and self.is_unknown(name, role):
            return {(): None}
        if not groups:
            met.setdefault((), [])
        aggregate = FLOWS[name][2] if name in FLOWS else STOCKS[name][1]
        return {key: aggregate(rows) for key, rows in met.items()}

    def is_unknown(self, name, role):
        """Whether no day of the data says anything: that is not the same as none."""
        if name in STOCKS:
            return not self.moments(name, role)
        return role == "before" and self.other()[1] < self.coverage[self.axis(name).removesuffix("_on")][0]

    def dimension(self, row, name):
        return self.customers.get(row["customer_id"], {}).get(name)

    def passes(self, row, filters):
        return all(
            (self.dimension(row, rule["dimension"]) in rule["values"]) == (rule["op"] == "in") for rule in filters
        )

    def days(self):
        needed = dict.fromkeys(base for name in self.query["metrics"] for base in FORMULAS.get(name, ([name],))[0])
        names = [name if name in STOCKS else self.axis(name).removesuffix("_on") for name in needed]
        return min(self.coverage[name][0] for name in names), max(self.coverage[name][1] for name in names)

    def axis(self, name):
        asked = self.query.get("time")
        return f"{asked}_on" if asked and FLOWS[name][0] == "invoices" else FLOWS[name][1]

    def dated_flow(self, name, rows, role):
        """(period of the row it belongs to, row)"""
        column = self.axis(name)
        dated = self.grain or self.first or self.last or self.query.get("compare")
        if not dated:
            return [(None, row) for row in rows]
        found = []
        for row in rows:
            day = row[column]
            if day is None:
                if role == "now" and not (self.first or self.last):
                    found.append((None, row))
            else:
                found += [(begin, row) for begin in self.rows_of(day, role)]
        return found

    def rows_of(self, day, role):
        """The periods of the rows in which `day` counts: one or none. Without a grain, None stands for the only row."""
        if role == "now":
            inside = (not self.first or day >= self.first) and (not self.last or day <= self.last)
            return [period(day, self.grain) if self.grain else None] if inside else []
        if not self.grain:
            first, last = self.other()
            return [None] if (first is None or day >= first) and day <= last else []
        last = self.last or last_day(period(self.days()[1], self.grain), self.grain)
        if self.query["compare"]["with"] == "previous_period":
            return self.row_after(day, last)
        return self.row_a_year_later(day, last)

    def row_after(self, day, last):
        begin = period(day, self.grain)
        after = last_day(begin, self.grain) + DAY
        if after > period(last, self.grain):
            return []
        if self.first and day < self.first:
            aligned = period(self.first, self.grain) == self.first
            return [after] if aligned and after == self.first else []
        return [after]

    def row_a_year_later(self, day, last):
        if self.grain == "week":
            later = period(day, "week") + 364 * DAY
            moved = day + 364 * DAY
        elif (day.month, day.day) == (2, 29):
            # It has no day a year later; in a longer period it counts with the day before it.
            if self.grain == "day":
                return []
            moved = dt.date(day.year + 1, 2, 28)
            later = period(moved, self.grain)
        else:
            moved = day.replace(year=day.year + 1)
            later = period(moved, self.grain)
        first_whole = self.first and year_earlier(self.first)
        if first_whole and day < first_whole:
            return []
        if day > year_earlier(last + DAY) - DAY and self.grain != "week":
            return []
        return [later] if self.grain != "week" or (moved <= last and (not self.first or moved >= self.first)) else []

    def other(self):
        """First and last day of the time compared with, without a grain."""
        last = self.last or self.days()[1]
        if self.query["compare"]["with"] == "period":
            compare = self.query["compare"]
            return _day(compare.get("time_from")), _day(compare.get("time_to")) or dt.date.max
        if self.query["compare"]["with"] == "previous_year":
            return self.first and year_earlier(self.first), year_earlier(last + DAY) - DAY
        if self.first.day == 1 and (last + DAY).day == 1:
            begin = self.first
            for _ in range(12 * (last.year - self.first.year) + last.month - self.first.month + 1):
                begin = period(begin - DAY, "month")
            return begin, self.first - DAY
        return self.first - (last - self.first + DAY), self.first - DAY

    def held(self, name, rows, role):
        """(period of the row it is shown in, row that holds at the moment the period is looked at)"""
        moments = self.moments(name, role).items()
        return [(begin, row) for begin, days in moments for row in rows if self.holds(name, row, days)]

    def moments(self, name, role):
        """period -> the days of the data that belong to it; the last of them is its moment."""
        first, last = self.coverage[name]
        found = {}
        if self.grain:
            for day in _days(first, last):
                for begin in self.rows_of(day, role):
                    found.setdefault(begin, []).append(day)
            return found
        begin, end = (self.first, self.last or last) if role == "now" else self.other()
        days = _days(max(begin or first, first), min(end, last))
        return {None: days} if days else {}

    def holds(self, name, row, days):
        if name == "seats_used":
            counted = [one["counted_on"] for one in self.data["seats"] if one["counted_on"] in days]
            return bool(counted) and row["counted_on"] == max(counted)
        moment = max(days)
        begins, ends = row["begins_on"], row["ends_on"]
        return begins is not None and begins <= moment and (ends is None or ends > moment)

    def arranged(self, rows):
        names = [*self.groups, *self.columns()]
        for condition in self.query.get("having", []):
            place = names.index(condition["metric"])
            rows = [row for row in rows if row[place] is not None and _holds(row[place], condition)]
        by = [(names.index(one["by"]), one["direction"] == "desc") for one in self.query.get("order", [])]
        groups = [self.grain, *self.query["dimensions"]] if self.grain else self.query["dimensions"]
        by += [(names.index(name), False) for name in groups if names.index(name) not in {place for place, _ in by}]
        for place, desc in reversed(by):
            known = [row for row in rows if row[place] is not None]
            known.sort(key=lambda row, place=place: row[place], reverse=desc)
            rows = known + [row for row in rows if row[place] is None]
        return rows[: self.query.get("limit")]

    def columns(self):
        beside = ["", *(["_before", "_change", "_growth"] if self.query.get("compare") else [])]
        beside += ["_share"] if self.query.get("share") else []
        return [name + part for name in self.query["metrics"] for part in beside]


def _days(first, last):
    return [first + DAY * n for n in range((last - first).days + 1)]


def _holds(value, condition):
    other = Fraction(condition["value"])
    return {"gt": value > other, "gte": value >= other, "lt": value < other, "lte": value <= other,
            "eq": value == other, "ne": value != other}[condition["op"]]  # fmt: skip


def _day(text):
    return None if text is None else dt.date.fromisoformat(text)
