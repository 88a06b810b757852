# Readside's commands. `make help` lists them.
#
# On a fresh machine every target that needs a store installs it first: Postgres from
# Debian's packages when root and through npm when not, ClickHouse's library through npm
# into $XDG_CACHE_HOME/readside. Where all is there this takes well below a second.

SHELL := /bin/bash
.DEFAULT_GOAL := help

GO     ?= go
BINARY := bin/readside

# Packages are tested two at a time: each may run a Postgres and a ClickHouse of its own.
TEST_PARALLEL ?= 2
# What one package's tests may take; a hang then shows its goroutines.
TEST_TIMEOUT  ?= 20m
# Extra flags for every `go test`, such as TEST_FLAGS='-run TestOrder -v'.
TEST_FLAGS    ?=
# Flags of the demo, such as DEMO_FLAGS='--for 20s --summary json'.
DEMO_FLAGS    ?=
# Major version of the embedded Postgres, such as POSTGRES=17; empty takes the machine's.
POSTGRES      ?=
# One item of the proof, such as ITEM=2.4; empty runs all.
ITEM          ?=
# One mutant, such as MUTANT=engine-no-compare-and-set; empty runs all.
MUTANT        ?=
# How many breaks `make mutants-random` draws, and from which seed.
SAMPLE        ?= 20
SEED          ?= 1
# Names of benchmarks, such as BENCH='catchup rebuild'; empty runs all.
BENCH         ?=

# Where the environment has no HOME (a bare container), Go and the set-up still need a
# place for their caches.
ifeq ($(strip $(HOME)),)
export HOME := $(shell getent passwd "$$(id -u)" | cut -d: -f6)
endif

ifneq ($(strip $(POSTGRES)),)
export READSIDE_EMBEDDED_POSTGRES := $(strip $(POSTGRES))
endif

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-14s %s\n", $$1, $$2 }'

.PHONY: setup
setup: ## install what the embedded stores need, where it is missing
	@$(GO) run ./internal/embedded/setup

.PHONY: setup-tests
setup-tests:
	@$(GO) run ./internal/embedded/setup -tests

.PHONY: build
build: ## build bin/readside
	@test -e $(BINARY) || echo "Building $(BINARY); the first time takes a minute or two …"
	@$(GO) build -o $(BINARY) ./cmd/readside

.PHONY: demo
demo: setup build ## run everything on embedded stores
	@$(BINARY) demo $(DEMO_FLAGS)

.PHONY: test
test: setup-tests check test-main test-examples test-tools test-cross ## every check and every test at reduced sizes

.PHONY: check
check: ## formatting and go vet
	@unformatted=$$(gofmt -l .); \
	  if [ -n "$$unformatted" ]; then \
	    echo "gofmt: these files are not formatted; run: gofmt -w" $$unformatted; exit 1; fi
	@$(GO) vet ./...
	@for module in tools $(EXAMPLES); do (cd $$module && $(GO) vet ./...) || exit 1; done

.PHONY: test-main
test-main: ## the module's tests, the architecture among them
	@$(GO) test -p $(TEST_PARALLEL) -timeout $(TEST_TIMEOUT) $(TEST_FLAGS) ./...

.PHONY: test-examples
test-examples: ## the tests of the examples, each a module of its own
	@for module in $(EXAMPLES); do (cd $$module && $(GO) test -timeout $(TEST_TIMEOUT) $(TEST_FLAGS) ./...) || exit 1; done

.PHONY: test-tools
test-tools: ## the tests of the tools' own module
	@cd tools && $(GO) test -timeout $(TEST_TIMEOUT) $(TEST_FLAGS) ./...

# The examples are programs of other domains, each a module of its own as a user's is.
EXAMPLES := $(patsubst %/go.mod,%,$(wildcard examples/*/go.mod))

# What the programs must compile for besides this machine. No C compiler is needed, as for
# every build of ours. `go build` of the programs compiles each package that they are made of
# and links them: a type check alone would need the same packages compiled, and would not see
# what a linker does.
CROSS := linux/arm64 darwin/arm64

.PHONY: test-cross
test-cross: ## the programs compile for linux/arm64 and darwin/arm64
	@for target in $(CROSS); do \
	  echo "Compiling for $$target; the first time takes minutes …"; \
	  GOOS=$${target%/*} GOARCH=$${target#*/} CGO_ENABLED=0 $(GO) build ./cmd/... ./internal/embedded/setup || exit 1; \
	  for module in $(EXAMPLES); do (cd $$module && GOOS=$${target%/*} GOARCH=$${target#*/} CGO_ENABLED=0 $(GO) build -o /dev/null ./...) || exit 1; done; done

.PHONY: lint
lint: ## golangci-lint, pinned in tools/go.mod
	@cd tools && $(GO) build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	@bin/golangci-lint run ./...

.PHONY: mutants
mutants: setup ## break the code on purpose and see that a test notices
	@GOFLAGS="$(strip $(GOFLAGS) -trimpath)" $(GO) run ./internal/mutants $(MUTANT)

.PHONY: mutants-random
mutants-random: setup ## draw SAMPLE breaks at random (SEED=1) and see how many the tests notice
	@GOFLAGS="$(strip $(GOFLAGS) -trimpath)" $(GO) run ./internal/mutants -random $(SAMPLE) -seed $(SEED)

.PHONY: proof
proof: setup ## what the issues say it must show, at full size
	@$(GO) run ./internal/proof $(ITEM)

.PHONY: bench
bench: setup build ## the benchmarks and their rivals
	@$(BINARY) bench $(BENCH) --json

.PHONY: clean
clean: ## remove what was built; caches of the set-up stay
	@rm -rf bin
