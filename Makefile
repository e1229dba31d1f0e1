# Everything a person does with this repository. Needed: Python 3.11 or newer, make, git.
#
#     make setup PYTHON=python3.12   which Python a new virtual environment is made with
#     make test ARGS="-k storage"    arguments for what runs
#     make sim SEEDS=1-25            which seeds; SCENARIO=partition plays one scenario instead of all

SHELL = /bin/sh
.DEFAULT_GOAL = help
.PHONY: help setup demo serve test letta fuzz sim mutants check graph bench constraints clean

PYTHON =
ARGS =
SEEDS = 1-5
SCENARIO = all
JOBS = $$(getconf _NPROCESSORS_ONLN)
VENV = .venv
BIN = $(VENV)/bin

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

# The stamp holds a sum of what the environment was made from, this folder's name included (a virtual environment can't
# be moved). While it fits nothing is installed, nothing is asked of any network, and nothing is printed.
CANDIDATES = $(if $(PYTHON),$(PYTHON),python3.13 python3.12 python3.11 python3 python)
setup: ## the virtual environment in .venv, with everything for working on kelpie
	@sum=$$({ pwd; cat pyproject.toml constraints.txt; } | cksum); \
	suits() { "$$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }; \
	usable=; \
	if suits $(BIN)/python && head -n 1 $(BIN)/pip 2>/dev/null | grep -qF "$$(pwd)/"; then usable=yes; fi; \
	if [ -n "$$usable" ] && [ "$$(cat $(VENV)/stamp 2>/dev/null)" = "$$sum" ]; then exit 0; fi; \
	set -e; \
	rm -f $(VENV)/stamp; \
	if [ -z "$$usable" ]; then \
		found=; \
		for python in $(CANDIDATES); do if suits "$$python"; then found=$$python; break; fi; done; \
		if [ -z "$$found" ]; then \
			echo "kelpie needs Python 3.11 or newer with its venv module; tried: $(CANDIDATES)" >&2; \
			echo "Install one (Debian: apt-get install python3-venv), or: make setup PYTHON=/path/to/python3.12" >&2; \
			exit 1; \
		fi; \
		"$$found" -m venv --clear $(VENV); \
	fi; \
	echo "installing kelpie[dev] into $(VENV) ($$($(BIN)/python --version))"; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	echo "$$sum" > $(VENV)/stamp

demo: setup ## ask the demo warehouse questions: no key, no network
	@$(BIN)/kelpie demo $(ARGS)

serve: setup ## the server, on this machine only
	@$(BIN)/kelpie serve $(ARGS)

# A file stays in one process: what its tests share is made once. The longest begin (tests/conftest.py).
test: setup ## all tests, on all cores
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

letta: setup ## every served operation by Letta's own clients, three of Python and one of npm; 200 runs over 16 kills
	@$(BIN)/python -m pytest tests/letta tests/kelpie/api/test_background_runs.py -m "not fuzz or letta" $(ARGS)

fuzz: setup ## ten thousand requests made from our own description: none may break the server
	@$(BIN)/python -m pytest tests/letta/test_fuzz.py -m fuzz $(ARGS)

sim: setup ## the server under seeds, with everything going wrong
	@$(BIN)/kelpie sim run --scenario $(SCENARIO) --seeds $(SEEDS) --jobs $(JOBS) $(ARGS)

mutants: setup ## careless servers on purpose: how many seeds until the simulation sees each
	@$(BIN)/python -m pytest tests/sim/mutants -m mutants_search $(ARGS)

check: setup ## format, lint, types, and the rules of this repository
	@status=0; \
	$(BIN)/ruff format --check . || status=1; \
	$(BIN)/ruff check . || status=1; \
	$(BIN)/mypy || status=1; \
	$(BIN)/python -m pytest -q tests/test_tidy.py || status=1; \
	exit $$status

graph: setup ## who imports whom, by floors; fails on an arrow that points up
	@$(BIN)/python tests/tidy/graph.py $(ARGS)

bench: setup ## the measurements behind every published figure
	@$(BIN)/python -m benchmarks $(ARGS)

# A fresh environment sees only what pyproject.toml asks for, not what somebody tried out in .venv.
constraints: setup ## rewrite constraints.txt with today's versions
	@rm -rf build/constraints
	@$(BIN)/python -m venv build/constraints
	@build/constraints/bin/python -m pip install -qq --disable-pip-version-check -e '.[dev,local]'
	@{ grep '^#' constraints.txt; build/constraints/bin/python -m pip freeze --exclude-editable | sort -f; } > build/constraints.txt
	@mv build/constraints.txt constraints.txt
	@rm -rf build/constraints

clean: ## remove what make and the tests leave behind
	@rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis src/*.egg-info
	@find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +
