"""Tables and charts."""

TABLE_WORDS = frozenset({"table", "tables", "tabular"})
CHART_WORDS = frozenset(
    "chart charts graph graphs plot plots plotted diagram diagrams visual visuals visualise visualize picture".split()
)
KINDS_OF_CHART = frozenset({"line", "bar", "column"})  # which one is drawn follows from the result
SHOW_WORDS = TABLE_WORDS | CHART_WORDS | {"draw", "drawn", "present", "presented", "form", "format"}
NEGATIONS = frozenset({"no", "not", "never", "don't", "dont", "without", "instead", "rather", "stop", "avoid"})
# Of several forms at once: a wish about answers in general, not about this one.
PLURAL_SHOW = frozenset({"tables", "charts", "graphs", "plots", "diagrams", "visuals"})
