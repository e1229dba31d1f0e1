"""Searching takes minutes: it is left out unless it is asked for by its mark, whatever other marks are asked for."""


def pytest_collection_modifyitems(config, items):
    if "mutants_search" not in config.option.markexpr:
        searches = [item for item in items if item.get_closest_marker("mutants_search")]
        items[:] = [item for item in items if item not in searches]
        config.hook.pytest_deselected(items=searches)
