# SMILE: `make run` serves it on this machine, `make test` runs every test. Each target does its own set-up.
# Settings are environment variables or arguments: LISTEN=127.0.0.1:9000 make run (docs/operations.md lists them).
SHELL := /bin/bash
.DEFAULT_GOAL := help

# A file that is as new as the last release build of these sources: nothing changed, nothing is built.
RELEASE := .build/release.built
SOURCES := Package.swift $(shell find Sources -type f -o -type d)
SETTINGS := . .make/environment &&

.PHONY: help
help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s%s\n", $$1, $$2}' Makefile

.PHONY: run
run: $(RELEASE) ## serve on LISTEN (127.0.0.1:8080) with a private PostgreSQL and demo data
	@.make/run

.PHONY: test
test: $(RELEASE) test-tools ## every ring of tests, at most 20 minutes
	@.make/test

.PHONY: test-all
test-all: $(RELEASE) test-tools ## the same without a limit of time, and the faults
	@.make/test -m ''

.PHONY: edge
edge: $(RELEASE) test-tools ## the black-box tests alone; ARGS='-k sessions' chooses
	@$(SETTINGS) exec "$$SMILE_DATA/venv/bin/python" -m pytest -c Tests/pytest.ini $(ARGS)

.PHONY: chaos
chaos: $(RELEASE) test-tools ## the real processes under faults
	@$(SETTINGS) exec "$$SMILE_DATA/venv/bin/python" -m pytest -c Tests/pytest.ini -m chaos $(ARGS)

.PHONY: demo
demo: ## walk the main job against the server at LISTEN
	@.make/packages demo
	@$(SETTINGS) exec python3 Examples/demo.py $(ARGS)

.PHONY: psql
psql: ## the private database of make run, as superuser
	@$(SETTINGS) .make/cluster psql "$$cluster" "$$sockets" smile $(ARGS)

.PHONY: bench
bench: $(RELEASE) test-tools ## measure against pgbench on this machine; writes docs/benchmarks.md
	@.make/packages bench
	@$(SETTINGS) exec "$$SMILE_DATA/venv/bin/python" Benchmarks/bench.py $(ARGS)

.PHONY: fuzz
fuzz: packages ## libFuzzer over what reads foreign bytes; SECONDS_EACH=3600 for long
	@.make/fuzz

.PHONY: release
release: $(RELEASE) ## build the three programs

$(RELEASE): $(SOURCES) | packages
	swift build -c release --static-swift-stdlib -Xlinker -s
	@touch $@

.PHONY: packages
packages:
	@.make/packages build

.PHONY: test-tools
test-tools:
	@.make/packages test
	@.make/venv

.PHONY: reset
reset: ## forget the private database of make run, its keys and uploads
	@$(SETTINGS) .make/cluster destroy "$$cluster" "$$sockets" && rm -rf "$$KEY_FILE"

.PHONY: clean
clean: ## forget what was built; data and keys stay
	rm -rf .build
