"""A number in a text is a cell of a result, at its stated rounding, or the text is refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kelpie.analyst.formats import cell_text
from kelpie.analyst.provenance import Numbers, hold, link_numbers, read_numbers
from kelpie.analyst.table import ResultColumn, ResultTable
from kelpie.errors import NumberWithoutSource

CARRIER = ResultColumn(name="carrier", kind="dimension", label="carrier", type="text")
MONTH = ResultColumn(name="month", kind="time", label="month", type="date", grain="month")
DELAY = ResultColumn(name="delay", kind="metric", label="average delay", type="number", unit="minutes", format=",.1f")
COUNT = ResultColumn(name="n", kind="metric", label="flights more than 15 minutes late", type="number", format=",d")
SHARE = ResultColumn(name="share", kind="metric", label="share", type="number", format=".1%")
QUERY_ID = "query-12345678-9abc-4def-8123-456789abcdef"
TABLE = ResultTable(
    query_id=QUERY_ID,
    columns=[CARRIER, DELAY, COUNT, SHARE],
    rows=[["Boeing 747 Air", 65.8333, 12345, 0.2387], ["JetBlue", 17.0, 6, None], ["Delta", -9.94, 17, 0.5]],
    row_count=16,
    stated=["2013", "2013-06-01"],
)


def linked(text, **more):
    return [(link.text, link.row, link.column, link.kind) for link in link_numbers(text, [TABLE], **more)]


def test_every_number_is_linked_to_its_cell():
    text = "JetBlue: 17.0 minutes over 6 flights; Boeing 747 Air: 65.8 minutes, 12,345 flights, 23.9%; Delta -9.9."
    assert linked(text) == [
        ("17.0", 1, "delay", "cell"),
        ("6", 1, "n", "cell"),
        ("65.8", 0, "delay", "cell"),
        ("12,345", 0, "n", "cell"),
        ("23.9%", 0, "share", "cell"),
        ("-9.9", 2, "delay", "cell"),
    ]
    for link in link_numbers(text, [TABLE]):
        assert text[link.start : link.end] == link.text
        assert link.query_id == QUERY_ID


@pytest.mark.parametrize(
    "text", ["66 minutes", "65.83 minutes", "65.9", "0.24", "24%", "1234", "12,346", "17.00", "-65.8", "9.9"]
)
def test_a_number_that_no_cell_is_at_its_stated_rounding_is_refused(text):
    with pytest.raises(NumberWithoutSource) as refused:
        link_numbers(f"Delays are {text}.", [TABLE])
    assert refused.value.number in text


def test_the_exact_value_of_a_cell_is_its_number_too():
    assert linked("0.2387 and 65.8333") == [("0.2387", 0, "share", "cell"), ("65.8333", 0, "delay", "cell")]


def test_how_many_rows_a_query_gave_is_known():
    assert linked("all 16 carriers") == [("16", -1, "", "row_count")]


def test_names_labels_dates_ids_and_what_the_question_stated_are_no_results():
    text = f"Boeing 747 Air, flights more than 15 minutes late, in 2013 since 2013-06-01, {QUERY_ID}, summer of 69."
    assert linked(text, stated=["summer of 69"]) == []
    with pytest.raises(NumberWithoutSource):
        link_numbers("747 seats", [TABLE])


def test_a_name_does_not_hide_part_of_a_number():
    table = msgspec.structs.replace(TABLE, rows=[["5", 15.25, 3, 0.1]])
    with pytest.raises(NumberWithoutSource):
        link_numbers("15.5", [table])


def test_of_equal_cells_the_one_named_nearby_is_meant():
    table = msgspec.structs.replace(TABLE, rows=[["A", 1.0, 7, 0.1], ["B", 2.0, 7, 0.2], ["C", 3.0, 7, 0.3]])
    links = link_numbers("A had 7, and B, which is larger, had 7.\nC: 7", [table])
    assert [link.row for link in links] == [0, 1, 2]


def test_in_a_table_side_by_side_the_head_of_the_column_counts():
    table = ResultTable(
        query_id=QUERY_ID,
        columns=[CARRIER, MONTH, DELAY],
        rows=[["A", "2013-06-01", 5.0], ["B", "2013-06-01", 5.0], ["A", "2013-07-01", 5.0], ["B", "2013-07-01", 5.0]],
        row_count=4,
    )
    text = "| Month | A | B |\n|---|---:|---:|\n| June 2013 | 5.0 | 5.0 |\n| July 2013 | 5.0 | 5.0 |"
    assert [link.row for link in link_numbers(text, [table])] == [0, 1, 2, 3]


def test_a_whole_day_says_when_and_not_how_much():
    assert link_numbers("The data end on 2024-12-19: nothing is known of 2024-12-31.", []) == []
    for text in ("2024-12", "2024-12-31.5", "-2024-12-31", "12024-12-31", "2024-99-31"):
        with pytest.raises(NumberWithoutSource):
            link_numbers(f"It is {text} now", [])


def test_without_any_result_no_number_may_be_said():
    with pytest.raises(NumberWithoutSource):
        link_numbers("about 40", [])
    assert link_numbers("no number here", []) == []


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8), st.sampled_from([",.1f", ",.0f", ".1%", ",.2f", ""]))
def test_whatever_a_cell_holds_its_own_text_is_found(values, number_format):
    column = msgspec.structs.replace(DELAY, format=number_format)
    table = ResultTable(query_id=QUERY_ID, columns=[column], rows=[[value] for value in values], row_count=len(values))
    for value in values:
        written = cell_text(value, column)
        (link,) = link_numbers(f"It is {written} now.", [table])
        assert cell_text(values[link.row], column) == written


@given(st.floats(-1e6, 1e6), st.floats(0.11, 1e5))
def test_a_number_off_by_more_than_rounding_is_always_refused(value, off):
    table = ResultTable(query_id=QUERY_ID, columns=[DELAY], rows=[[value]], row_count=99_999_999)
    wrong = cell_text(value + off, DELAY)
    with pytest.raises(NumberWithoutSource):
        link_numbers(f"It is {wrong} now.", [table])


@pytest.mark.parametrize(
    "text",
    [
        "1.2M", "€1.9M", "12k", "USD100", "3x", "10pp", "5e6", ".5", "1/2", "1.234,50", "1 000", "twelve (12bn)",
        "7%", "١٢", "１２", "-6", "−6", "99th", "0th", "17.0.1", "6\u202f%",
    ],
)  # fmt: skip
def test_digits_in_another_form_are_not_passed_over(text):
    """A model must not get a number past by the way it writes it, nor by one that is a cell by chance: 1 of "1.2M"."""
    table = msgspec.structs.replace(TABLE, rows=[["A", 1.0, 1, 0.01], ["B", 2.0, 6, None]], row_count=2)
    with pytest.raises(NumberWithoutSource):
        link_numbers(f"It is {text} now.", [table])


@pytest.mark.parametrize(
    "text", ["B6, FY2026 and Q3", "1. JetBlue\n2. Delta", "the 2nd best of them", "run N12345 on A320neo"]
)
def test_names_marks_of_lists_and_places_in_a_ranking_are_no_numbers(text):
    assert linked(text) == []


def test_a_per_cent_sign_may_stand_apart_and_a_minus_may_be_a_real_one():
    assert linked("23.9 % and \u22129.9") == [("23.9 %", 0, "share", "cell"), ("\u22129.9", 2, "delay", "cell")]


def test_money_that_no_float_holds_is_a_number_all_the_same():
    column = ResultColumn(name="mrr", kind="metric", label="MRR", type="number", format=",.2f")
    table = ResultTable(query_id=QUERY_ID, columns=[column], rows=[["12345678901234567.89"]], row_count=1)
    (link,) = link_numbers("MRR is 12,345,678,901,234,567.89 USD.", [table])
    assert (link.row, link.column) == (0, "mrr")
    with pytest.raises(NumberWithoutSource):
        link_numbers("MRR is 12,345,678,901,234,567.90 USD.", [table])


def test_a_year_of_a_period_is_no_number_and_another_year_is_one():
    table = ResultTable(query_id=QUERY_ID, columns=[MONTH, DELAY], rows=[["2013-06-01", 5.0]], row_count=1)
    assert [link.text for link in link_numbers("In June 2013, and 2013 as a whole: 5.0", [table])] == ["5.0"]
    with pytest.raises(NumberWithoutSource):
        link_numbers("In 2014: 5.0", [table])


def test_a_name_that_is_a_number_is_a_cell_and_no_free_pass():
    """Otherwise a cell of texts that says 5000000 would let a model say it of anything."""
    table = msgspec.structs.replace(TABLE, rows=[["5000000", 1.5, 3, 0.1]], row_count=1)
    (link,) = link_numbers("Turnover was 5000000.", [table])
    assert (link.row, link.column) == (0, "carrier")
    with pytest.raises(NumberWithoutSource):
        link_numbers("Turnover was 5000001.", [table])


# ---- holding a text against the links that were kept of it

TEXT = f"JetBlue had 17.0 minutes over 6 flights in 2013, {QUERY_ID}."


def test_a_text_with_all_its_links_holds():
    hold(TEXT, read_numbers(TEXT, [TABLE]), [TABLE])


@pytest.mark.parametrize("stripped", [0, 1])
def test_a_link_that_was_stripped_is_missed(stripped):
    numbers = read_numbers(TEXT, [TABLE])
    links = [link for number, link in enumerate(numbers.links) if number != stripped]
    with pytest.raises(NumberWithoutSource, match="no record"):
        hold(TEXT, Numbers(links, numbers.exempt), [TABLE])


@pytest.mark.parametrize(
    "change",
    [{"row": 0}, {"column": "n"}, {"row": 99}, {"column": "gone"}, {"query_id": "query-other"}, {"kind": "row_count"}],
)
def test_a_link_to_another_cell_is_refused(change):
    numbers = read_numbers(TEXT, [TABLE])
    links = [msgspec.structs.replace(numbers.links[0], **change), *numbers.links[1:]]
    with pytest.raises(NumberWithoutSource):
        hold(TEXT, Numbers(links, numbers.exempt), [TABLE])


def test_a_text_that_was_changed_is_refused():
    numbers = read_numbers(TEXT, [TABLE])
    for text in (TEXT.replace("17.0", "71.0"), TEXT + " And 5 more.", TEXT.replace("6 flights", "9 flights")):
        with pytest.raises(NumberWithoutSource):
            hold(text, numbers, [TABLE])


@given(st.text(alphabet="0123456789.,% -−/:", max_size=12))
def test_whatever_digits_are_written_each_is_linked_or_refused(text):
    """Nothing with a digit in it gets through unless all of it is a cell, a count, or a mark of a list."""
    table = ResultTable(query_id=QUERY_ID, columns=[DELAY], rows=[[12.5]], row_count=3)
    try:
        numbers = read_numbers(f"so: {text} .", [table])
    except NumberWithoutSource:
        return
    covered = {place for link in numbers.links for place in range(link.start, link.end)}
    covered |= {place for start, end in numbers.exempt for place in range(start, end)}
    assert all(place in covered for place, mark in enumerate(f"so: {text} .") if mark.isdigit())
    assert {link.text.replace("\u2212", "-") for link in numbers.links} <= {"12.5", "3"}
