# Cordboard: 'make help' says what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup models demo test run bench bench-quick bench-turns bench-plan lint fmt types soak clean
.DELETE_ON_ERROR:

PY := .venv/bin/python
CORDBOARD := .venv/bin/cordboard
SETUP := .venv/.setup
SETUP_TESTS := .venv/.setup-tests
MODELS := .venv/.models
MODELS_TESTS := .venv/.models-tests
# tests in real time may lose against a busy machine: a failed one is run again at once (a pause
# would stop the event loops of shared peers), and listed as rerun
AGAIN := --reruns 2 -rR
PYTEST := PYTHONUNBUFFERED=1 $(PY) -m pytest

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

$(SETUP): pyproject.toml deploy/setup.sh
	@deploy/setup.sh
	@touch $@

$(SETUP_TESTS): pyproject.toml deploy/setup.sh | $(SETUP)
	@deploy/setup.sh --tests
	@touch $@

$(MODELS): $(wildcard agent/models/*.yaml) deploy/cordboard.yaml | $(SETUP)
	@$(CORDBOARD) models fetch --config deploy/cordboard.yaml
	@touch $@

$(MODELS_TESTS): $(wildcard agent/models/*.yaml) tests/models.yaml | $(SETUP)
	@$(CORDBOARD) models fetch --config tests/models.yaml
	@touch $@

setup: $(SETUP)  ## install what the service needs: Debian packages, .venv, Python packages

models: $(SETUP)  ## fetch the models, verified by their SHA-256
	@$(CORDBOARD) models fetch --config deploy/cordboard.yaml
	@touch $(MODELS)

demo: $(SETUP) $(MODELS)  ## set up, start, place a real call, show the conversation, stop
	@deploy/demo.sh

test: $(SETUP) $(SETUP_TESTS) $(MODELS) $(MODELS_TESTS)  ## run every test but the slow ones
	@$(PYTEST) -q --durations=15 $(AGAIN)

run: $(SETUP) $(MODELS)  ## the service in the foreground: deploy/cordboard.yaml, SIP on 5060
	@$(CORDBOARD) serve --config deploy/cordboard.yaml

bench: $(SETUP) $(SETUP_TESTS) $(MODELS)  ## measure with an outside phone; results in var/bench
	@$(PY) -m tests.bench

bench-quick: $(SETUP) $(SETUP_TESTS) $(MODELS)  ## the same, one call and few utterances
	@$(PY) -m tests.bench --quick

bench-turns: $(SETUP) $(SETUP_TESTS) $(MODELS)  ## judge turns only: backchannels, one word, pauses, in large samples
	@$(PY) -m tests.bench --turns

bench-plan: $(SETUP)  ## time dial plans of ten thousand rules in many shapes
	@$(PY) -m tests.bench.dialplan

soak: $(SETUP) $(SETUP_TESTS) $(MODELS) $(MODELS_TESTS)  ## the slow tests, hours: calls and transfers in a row, workers killed, fuzzing, reloads
	@$(PYTEST) -q -m soak --durations=10

lint: $(SETUP_TESTS)  ## ruff, format check and mypy
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy

types: $(SETUP_TESTS)  ## mypy --strict on edge, media and agent
	@$(PY) -m mypy

fmt: $(SETUP_TESTS)  ## format and fix what can be fixed
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

clean:  ## remove .venv, caches and results (records and recordings in var/ stay)
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info var/demo var/bench
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
