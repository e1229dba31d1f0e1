"""What a commit will do, as data."""

from umi.storage import Changes, Write


def test_changes_keep_their_order_when_they_are_merged():
    ran = []
    first = Changes().write("A", 1).guard("fence", "B", 2, rows=3).after(lambda: ran.append("first"))
    second = Changes().write("C").after(lambda: ran.append("second"))
    first.extend(second)
    assert first.writes == [Write("A", (1,)), Write("B", (2,), "fence", 3), Write("C")]
    for hook in first.after_commit:
        hook()
    assert ran == ["first", "second"]


def test_merging_leaves_the_other_as_it_was():
    second = Changes().write("C")
    first = Changes().extend(second).write("D")
    assert [w.sql for w in first.writes] == ["C", "D"]
    assert [w.sql for w in second.writes] == ["C"]


def test_changes_without_writes_are_false():
    assert not Changes()
    assert not Changes().after(print)
    assert Changes().write("A")
