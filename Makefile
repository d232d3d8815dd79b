# The everyday commands. `make` alone lists them.
PYTHON ?= python3
VENV := .venv/bin
PACKAGES := crds operator hostd cli e2e
BOOTSTRAP := PYTHONPATH=crds/src:cli/src $(PYTHON) -m quantix_cli.up.bootstrap
# two cores are the smallest machine; more tests at once only wait for each other
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help up down clean prepare test unit contract e2e lint gen bench fmt go

help: ## this list
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):[^#]*## (.*)/  make \1\t\2/' | expand -t 18

up: ## set everything up, start Quantix on this machine, run examples/first-vm.yaml
	@$(BOOTSTRAP) up

down: ## stop Quantix; guests are shut down cleanly, data is kept
	@$(VENV)/qx down

clean: ## remove all that make up made, data included
	@if [ -x $(VENV)/python ]; then $(VENV)/python -m quantix_cli.up.clean && rm -rf .venv; fi

prepare:
	@$(BOOTSTRAP) prepare

test: prepare lint unit contract e2e ## everything that CI runs

lint: ## style, types, layers, generated files
	$(VENV)/ruff check $(PACKAGES)
	$(VENV)/ruff format --check $(PACKAGES)
	$(VENV)/mypy $(PACKAGES:%=%/src)
	$(VENV)/lint-imports

unit: ## unit tests
	$(VENV)/pytest -q $(wildcard $(PACKAGES:%=%/tests/unit))

contract: ## clients against the real thing: API server, libvirt, OVN, QEMU
	$(VENV)/pytest -q -n $(WORKERS) --dist loadfile $(wildcard $(PACKAGES:%=%/tests/contract))

e2e: ## whole machines with real guests
	$(VENV)/pytest -q e2e/tests

fmt: ## format the sources
	$(VENV)/ruff check --fix $(PACKAGES)
	$(VENV)/ruff format $(PACKAGES)
