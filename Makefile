# Every developer command. `make` alone lists them.

BIN := .venv/bin
SHELL_SCRIPTS := scripts/bootstrap scripts/demo scripts/test .ci/run piswarm/cluster/probe.sh stacks/images/registry/start piswarm/lab/prepare piswarm/lab/rootfs/usr/local/sbin/boot-as-pi

.DEFAULT_GOAL := help
.PHONY: help demo test lint format clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## three simulated Pis become a cloud that answers: installs what it needs, a few minutes
	@printf '\n1. Install what is needed and not there yet\n'
	@scripts/bootstrap demo
	@scripts/demo

test: ## all checks and all tests, as CI runs them
	@scripts/test

lint: ## style, types, architecture, playbooks, shell scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd playbooks && ../$(BIN)/ansible-lint --offline --profile production
	shellcheck $(SHELL_SCRIPTS)

format: ## let ruff write the style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## take down the lab, stop the engine that was started here, remove what was made in this checkout
	@scripts/bootstrap clean
	rm -rf .venv .cache artifacts dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
