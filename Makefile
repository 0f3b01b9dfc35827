# Waterflow's commands. Each sets up what it needs: Python 3.11+ and make are enough to begin.
SHELL := /bin/bash
PYTHON ?= python3
TOOLS := .tools
UV := $(or $(shell command -v uv),$(TOOLS)/bin/uv)
BIN := .venv/bin
READY := .venv/.ready
# Else each of the many processes that the tests start would compile the project's modules anew.
unexport PYTHONDONTWRITEBYTECODE

INFRA := infra/testing infra/policy infra/aws infra/azure infra/gcp
# Side by side, as one of them uses one core; infra/policy is read with infra/testing.
TYPED := . infra/testing infra/aws infra/azure infra/gcp

.PHONY: help demo test record-calls test-infra test-infra-cli lint bench bench-peers browser torch ui lock lock-infra clean

help: ## List the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

$(TOOLS)/bin/uv:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --target $(TOOLS) uv

$(READY): requirements.lock pyproject.toml | $(filter $(TOOLS)/%,$(UV))
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## Run the fraud pipeline end to end, twice: the second time from the cache
	$(BIN)/waterflow run pipelines/fraud_detection
	$(BIN)/waterflow run pipelines/fraud_detection

test: $(READY) $(TOOLS)/awscli/.ready test-infra ## Run the tests
	$(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder

# Of a cloud and its provider: what the emulator that the suites of the provider start has recorded.
define record
	rm -f .calls
	WATERFLOW_EMULATOR_CALLS=$(CURDIR)/.calls $(BIN)/pytest -n 3 --dist loadscope \
	  tests/conformance/test_$(2).py \
	  $(wildcard $(foreach each,remote doctor,tests/providers/$(2)/test_$(each).py))
	$(BIN)/python -m tests.infra.record $(1) .calls
	rm -f .calls
endef

record-calls: $(READY) ## Write anew what the suites call of the clouds, against which infra's roles are held
	echo '[]' > tests/infra/recorded_calls.json
	WATERFLOW_RECORD_CALLS=1 $(BIN)/pytest -n 3 --dist loadscope tests/conformance/test_sagemaker.py \
	  tests/providers/sagemaker/test_remote.py tests/providers/sagemaker/test_doctor.py
	$(call record,azure,azureml)
	$(call record,gcp,vertex)
	git diff --stat 'tests/infra/recorded_*.json'

# In an environment of its own: it wants another botocore than boto3 does.
$(TOOLS)/awscli/.ready: tests/providers/sagemaker/awscli.txt | $(filter $(TOOLS)/%,$(UV))
	$(UV) venv --quiet --allow-existing --python $(PYTHON) $(@D)
	$(UV) pip sync --quiet --python $(@D)/bin/python --require-hashes $<
	@touch $@

# Each of infra's projects has an environment of its own, made once from its own lock.
infra/%/.venv/.ready: infra/%/requirements.txt | $(filter $(TOOLS)/%,$(UV))
	$(UV) venv --quiet --allow-existing --python $(PYTHON) infra/$*/.venv
	$(UV) pip sync --quiet --python infra/$*/.venv/bin/python --require-hashes $<
	@touch $@

test-infra: $(READY) $(INFRA:=/.venv/.ready) ## Run the tests of infra/ alone
	cd infra/testing && .venv/bin/python -m pytest -n 2 --dist loadscope

test-infra-cli: $(READY) $(INFRA:=/.venv/.ready) ## The same life of a stack, driven by pulumi itself
	@command -v pulumi >/dev/null || { echo "pulumi is not on PATH, so nothing was tested: install it \
	(https://www.pulumi.com/docs/install) and run make test-infra-cli again" >&2; exit 1; }
	cd infra/testing && .venv/bin/python -m pytest tests/test_engine.py --cli

lint: $(READY) $(INFRA:=/.venv/.ready) ## Check style, types and the import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache  # which has told of circles that were gone
	printf '%s\n' $(TYPED) | xargs -n 1 -P 2 $(BIN)/pyright --project

bench: $(READY) ## Measure speed as ratios, with a table at the end
	$(BIN)/python -m tests.bench

bench-peers: $(READY) ## The same chain under ZenML, Metaflow and Kedro, each in a throw-away environment
	$(BIN)/python -m tests.bench.peers

# Beside the environment, not in it: as large as all the rest, and two files of tests read it.
$(TOOLS)/torch:
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --target $@.part "torch==2.13.0"
	mv $@.part $@

browser: ## Bring Chromium, for the tests of pages (Debian's; nothing where there is one)
	@command -v chromium chromium-browser google-chrome >/dev/null || { apt-get -qq update && \
	  apt-get -qq install --yes --no-install-recommends chromium fonts-dejavu-core >/dev/null; }

torch: $(TOOLS)/torch ## Bring PyTorch, for the tests of its tensors (200 MB; CUDA's build: several GB)

ui: $(READY) ## Open the MLflow UI on this project's runs
	$(BIN)/waterflow ui

lock: | $(filter $(TOOLS)/%,$(UV)) ## Resolve requirements.lock and the AWS command line's lock anew
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --group dev \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  -o requirements.lock pyproject.toml
	$(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
	  -o tests/providers/sagemaker/awscli.txt tests/providers/sagemaker/awscli.in

lock-infra: | $(filter $(TOOLS)/%,$(UV)) ## Resolve the locks of infra/ anew
	@for each in $(INFRA); do (cd $$each && $(abspath $(UV)) pip compile --quiet --universal \
	  --generate-hashes --python-version 3.11 --no-emit-index-url --no-emit-find-links \
	  --custom-compile-command "make lock-infra" -o requirements.txt pyproject.toml) || exit 1; done

clean: ## Remove what the commands made
	rm -rf .venv infra/*/.venv $(TOOLS) .waterflow .pytest_cache .ruff_cache .hypothesis dist
