# Each target sets up what it needs: a virtual environment, the pinned versions, an editable install.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
JOBS ?= logical

.PHONY: claims submissions test long planted fuzz check leaderboard clean

claims: $(VENV)/.installed
	$(BIN)/pytest claims/ --controls -n $(JOBS) --maxprocesses 4

submissions: $(VENV)/.installed
	for folder in harness/submissions/*/*/; do $(BIN)/repro submission run $$folder -n $(JOBS) || exit 1; done

test: $(VENV)/.installed # one thread a process: more would wait for each other, many times as long as they compute
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/ -m 'not planted and not long' -n $(JOBS) --maxprocesses 4 --dist loadgroup

long: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/ -m long -n $(JOBS) --maxprocesses 4

planted: $(VENV)/.installed
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/ -m planted -n $(JOBS) --maxprocesses 4

fuzz: $(VENV)/.installed # 24 targets: 1,000 inputs of each unless REPRO_FUZZ_EXAMPLES says otherwise
	REPRO_FUZZ_EXAMPLES=$${REPRO_FUZZ_EXAMPLES:-1000} $(BIN)/pytest tests/test_fuzz_*.py -n $(JOBS) --maxprocesses 4

check: $(VENV)/.installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

leaderboard: $(VENV)/.installed
	$(BIN)/repro leaderboard

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .repro
