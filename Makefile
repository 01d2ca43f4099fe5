# Everything this project does, as commands. Nothing but Python 3.11+, make and git has to be
# installed: the first target that needs an environment makes it.

PYTHON ?= python3
VENV := .venv
READY := $(VENV)/ready
CHECKOV := .venv-checkov
AWSCLI := .venv-awscli
DYNAMODUMP := .venv-dynamodump
OLD_BOTOCORE := .venv-old-botocore
JS_SDK := tests/tools/js/node_modules
UV := .venv-uv
PIP := -m pip install --quiet --quiet --disable-pip-version-check --no-compile
HASHED := $(PIP) --require-hashes

# Tools of the environments come first: jsii and the CDK CLI take `node` from PATH.
export PATH := $(CURDIR)/$(VENV)/bin:$(CURDIR)/node_modules/.bin:$(PATH)

# Each Python process that finds no byte code compiles all it imports: seconds, hundreds of times.
export PYTHONDONTWRITEBYTECODE :=

# All three environments with everything on, for synthesis without a deployment.
EXAMPLE := -c prod.account=123456789012 -c stage.account=210987654321 \
	-c development.account=000000000000 $(foreach e,prod stage development,\
	-c $(e).backup=true -c $(e).mailstore_file_system_id=fs-0123456789abcdef0)

.DEFAULT_GOAL := help
.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
		awk -F '\t' '{ printf "  %-10s %s\n", $$1, $$2 }'

## Environments -------------------------------------------------------------------------

.PHONY: setup
setup: $(READY) ## make the environment the other targets use, in .venv and node_modules

LOCAL_AWS := tests/local_aws

$(READY): requirements-dev.txt pyproject.toml $(LOCAL_AWS)/pyproject.toml package-lock.json
	@echo "Setting up $(VENV) (a minute or two, once) …"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; say which with: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(VENV)/bin/python $(HASHED) -r requirements-dev.txt
	@$(VENV)/bin/python $(PIP) --no-deps --no-build-isolation --editable . --editable $(LOCAL_AWS)
	@$(VENV)/bin/npm ci --no-fund --no-audit --loglevel=error
	@# Compiles what the checks import, and nothing else: CDK has hundreds of services.
	@$(VENV)/bin/python -m pytest --quiet --snapshot-warn-unused --collect-only tests/unit tests/synth >/dev/null
	@touch $@

# Tools that need other versions of the same packages have environments of their own.
.venv-%/ready: tests/tools/%.txt
	@echo "Setting up $* in .venv-$* …"
	@$(PYTHON) -m venv .venv-$*
	@.venv-$*/bin/python $(HASHED) -r $<
	@touch $@

$(JS_SDK)/ready: tests/tools/js/package-lock.json $(READY)
	@echo "Setting up the AWS SDK for JavaScript in $(JS_SDK) …"
	@cd tests/tools/js && npm ci --ignore-scripts --no-fund --no-audit --loglevel=error
	@touch $@

LOCK = $(UV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --custom-compile-command "make requirements" $(ARGS)
TOOLS := awscli checkov dynamodump old-botocore release uv

.PHONY: requirements
requirements: $(UV)/ready ## write the requirements.txt files from the .in files (ARGS=--upgrade)
	$(LOCK) requirements.in --output-file requirements.txt
	$(LOCK) --constraint requirements.txt requirements-dev.in $(LOCAL_AWS)/pyproject.toml \
		--output-file requirements-dev.txt
	$(LOCK) --constraint requirements-dev.txt --extra test $(LOCAL_AWS)/pyproject.toml \
		--output-file tests/tools/local-aws.txt
	$(foreach tool,$(TOOLS),$(LOCK) tests/tools/$(tool).in --output-file tests/tools/$(tool).txt &&) true

## Checks -------------------------------------------------------------------------------

.PHONY: lint types unit templates check test tests test-long checkov
lint: $(READY)
	ruff check .
	ruff format --check .
	zizmor --offline --quiet .github/workflows

types: $(READY)
	mypy

# Plugins of pytest that no unit test uses; each of them is called for each test.
UNUSED := -p no:syrupy -p no:xdist -p no:xdist.looponfail -p no:typeguard

unit: $(READY)
	python -m pytest --quiet $(UNUSED) tests/unit

templates: $(READY)
	python -m pytest --quiet tests/synth

check: $(READY) ## lint, types, unit and synth tests
	@$(MAKE) --no-print-directory --jobs 4 $(TOGETHER) templates unit types lint

# Lines of one command stay together where make can do that (GNU make 4; macOS has 3.81).
TOGETHER := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

test: lint $(CHECKOV)/ready $(AWSCLI)/ready $(OLD_BOTOCORE)/ready $(JS_SDK)/ready ## everything
	@$(MAKE) --no-print-directory --jobs 3 tests types checkov

tests: $(READY)
	python -m pytest --quiet --numprocesses 3 --dist loadscope --no-loadscope-reorder

test-long: export CABAL_TEST_LONG := 1
test-long: test ## everything, with five times as many random kills, and months in place of weeks

# CDK's own rules run in `make synth`, and tests/synth/test_app.py has them on.
checkov: export CDK_VALIDATION := false
checkov: synth $(CHECKOV)/ready
	$(CHECKOV)/bin/checkov --directory cdk.out --framework cloudformation --compact --quiet \
		--skip-download

.PHONY: local-aws
local-aws: .venv-local-aws/ready ## the tests of the local AWS, installed without the project
	.venv-local-aws/bin/python $(PIP) --no-deps --no-build-isolation --force-reinstall ./$(LOCAL_AWS)
	rm -rf $(LOCAL_AWS)/build
	cd $(LOCAL_AWS) && $(CURDIR)/.venv-local-aws/bin/python -m pytest --quiet

HOST_PYTHON ?= python3.9
.PHONY: mail-host
mail-host: $(READY) ## the tests of the file for the mail host, which HOST_PYTHON (3.9) runs
	HOST_PYTHON=$(HOST_PYTHON) python -m pytest --quiet $(UNUSED) tests/unit/mail_host

.PHONY: bench
bench: $(READY) $(AWSCLI)/ready $(DYNAMODUMP)/ready ## measurements: what is fast and what is not
	python -m tests.bench.bench_sandbox
	python -m tests.bench.bench_status
	python -m tests.bench.bench_mailbox --million
	python -m tests.bench.bench_tables --dynamodump $(DYNAMODUMP)/bin/python

.PHONY: snapshots
snapshots: $(READY) ## write the template snapshots anew, for review with git diff
	python -m pytest --quiet tests/synth/test_snapshots.py --snapshot-update

.PHONY: sessions
sessions: $(READY) ## record the terminal sessions of docs/sessions.md anew
	python -m pytest --quiet tests/e2e/test_sessions.py --snapshot-update

.PHONY: reference
reference: $(READY) ## write the reference documents that derive from the code
	python -m tests.reference
	cd $(LOCAL_AWS) && python -m local_aws_tests.readme_tables

## The application ----------------------------------------------------------------------

.PHONY: synth cdk diff deploy
synth: $(READY) ## write the templates to cdk.out: of all environments, or of ENVIRONMENT
	cdk synth --quiet $(if $(ENVIRONMENT),-c environment=$(ENVIRONMENT),$(EXAMPLE))
	@find cdk.out -name '*.template.json' | sort

cdk: $(READY) ## the pinned CDK CLI: make cdk ARGS="ls"
	@cdk $(ARGS)

diff: $(READY) ## what a deployment would change: make diff ENVIRONMENT=development
	@$(need-environment)
	cdk diff -c environment=$(ENVIRONMENT) '$(ENVIRONMENT)/*' $(ARGS)

deploy: $(READY) ## deploy one environment; without a terminal: ARGS='--require-approval never'
	@$(need-environment)
	cdk deploy -c environment=$(ENVIRONMENT) '$(ENVIRONMENT)/*' $(ARGS) || \
		{ status=$$?; cat .github/deployment-failed.txt >&2; exit $$status; }

define need-environment
test -n "$(ENVIRONMENT)" || \
	{ echo "Say which: make $@ ENVIRONMENT=development" >&2; exit 2; }
endef

.PHONY: dist
dist: .venv-release/ready ## build the wheel, the source distribution and the SBOM in dist
	rm -rf dist
	.venv-release/bin/python -m build --no-isolation --outdir dist
	.venv-release/bin/cyclonedx-py requirements requirements.txt --pyproject pyproject.toml \
		--output-reproducible --output-file dist/cabal-backup.cdx.json

## The local AWS ------------------------------------------------------------------------

.PHONY: demo sandbox
demo: $(READY) $(AWSCLI)/ready ## the whole system on this machine: deployed, a night run, verified
	@python -m tests.sandbox.demo

PORT ?= 4566
sandbox: $(READY) $(AWSCLI)/ready ## the same, left running at PORT; prints the environment variables
	@python -m tests.sandbox.demo --stay --port $(PORT)

.PHONY: clean
clean: ## remove everything that the other targets made
	rm -rf $(VENV) .venv-* node_modules dist cdk.out demo-report.html .prepared .mypy_cache .pytest_cache .ruff_cache
