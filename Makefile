# make demo, make test: see README.md.   Every target prepares what it needs.
.PHONY: help setup demo test check unit e2e bench fuzz docs format clean
BIN := .venv/bin
SECONDS := 600
WORKERS ?= 2

help:            ## this list
	@sed -n 's/^\([a-z0-9]*\): .*## /  make \1\t/p' Makefile | expand -t 16

setup:           ## install missing Debian packages and the virtual environment (.venv)
	@scripts/setup

demo: setup      ## three Docker hosts, a controller, containers that talk: watch the flows come and go
	@$(BIN)/python -m daoli.lab.demo

test: check e2e  ## everything: style, types, layers, unit tests, end to end on real Docker engines and Open vSwitch

check: setup     ## the quick part: style, types, layers, unit tests
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m pytest -q -n auto --dist loadfile -m "not e2e"

e2e: setup       ## end-to-end tests only: labs of virtual hosts with Docker and Open vSwitch (root; WORKERS=2)
	@$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m e2e

bench: setup     ## the benchmarks; figures are kept in bench/RESULTS.md
	-@scripts/setup bench  # without its peer the codec is measured alone, and says so
	@$(BIN)/python bench/codec.py
	@$(BIN)/python bench/policy.py
	@$(BIN)/python bench/flow_setup.py

fuzz: setup      ## fuzz the decoder and the connection, led by coverage (SECONDS=600)
	@scripts/setup fuzz
	@mkdir -p build/fuzz/corpus
	@$(BIN)/python -m fuzz.fuzz_decode -max_total_time=$(SECONDS) -max_len=4096 -artifact_prefix=build/fuzz/ \
	    -print_final_stats=1 build/fuzz/corpus fuzz/corpus

docs: setup      ## build the documentation into site/
	@scripts/setup docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet && echo "site/index.html"

format: setup    ## rewrite the sources in the house style
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

clean:           ## remove labs that still run, the virtual environment and caches
	@[ ! -x $(BIN)/python ] || $(BIN)/python -m daoli.lab down --all
	@rm -rf .venv build dist site src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
