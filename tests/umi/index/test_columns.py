"""Growing: versions share a buffer and never see each other's rows."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from umi.index.columns import Growing

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 30), st.lists(st.integers(-9, 9), max_size=5)),
        st.tuples(st.just("replace"), st.integers(0, 30), st.integers(-9, 9)),
    ),
    max_size=20,
)


@settings(deadline=None)
@given(STEPS)
def test_any_version_made_of_any_other_shows_what_a_list_would(steps):
    versions = [(Growing(np.int64), [])]
    for kind, of, what in steps:
        column, values = versions[of % len(versions)]
        if kind == "append":
            versions.append((column.append(np.array(what, np.int64)), values + what))
        elif values:
            at = of % len(values)
            versions.append((column.replaced(np.array([at]), what), [*values[:at], what, *values[at + 1 :]]))
        assert [(column.values.tolist(), column.size) for column, _ in versions] == [
            (values, len(values)) for _, values in versions
        ]


def test_appending_to_the_newest_version_copies_seldom():
    column = Growing(np.float32, 3).append(np.zeros((100, 3), np.float32))
    copies = 0
    for _ in range(1000):
        longer = column.append(np.ones((1, 3), np.float32))
        copies += longer.buffer is not column.buffer
        column = longer
    assert column.size == 1100
    assert copies < 10
    assert column.bytes >= 1100 * 12
