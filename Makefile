# make help lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Pinned, and kept in ./bin between runs.
STATICCHECK_VERSION := v0.8.2
STATICCHECK := bin/staticcheck-$(STATICCHECK_VERSION)

# Packages whose tests run real guests, networks and servers: one at a time.
REAL := ./compute/libvirt/... ./network/linux/... ./identity/ldap/... ./identity/oidc/glewlwydtest ./identity/saml/pysaml2test \
	./internal/guestimage/... ./examples/server/...
real = $(shell go list $(REAL))
fast = $(filter-out $(real),$(shell go list ./...))
# The race detector costs tenfold: it watches where goroutines share memory.
RACE := . ./cloudtest ./compute ./compute/memhypervisor ./compute/placement/... ./identity ./identity/identityapi ./image ./network \
	./network/networkapi ./network/memnetwork ./volume ./volume/memvolume ./internal/httpapi ./internal/saga/... \
	./internal/state/... ./internal/policy
FUZZTIME ?= 10s
BENCH ?= .

# timed runs a command and tells how long it took.
define timed
	@started=$$SECONDS; echo "== $(1)"; $(2); echo "== $(1): $$((SECONDS - started)) s"
endef

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

.PHONY: deps
deps: ## install the Debian packages that tests and demo need (as root; quick when present)
	@scripts/install-deps.sh

.PHONY: build
build: ## build everything; the reference server goes to build/server
	go build ./...
	go build -o build/server ./examples/server

.PHONY: test
test: deps test-fast race test-real ## all tests: unit, conformance with real drivers, end to end (as root)

.PHONY: test-fast
test-fast: ## the tests that need neither root nor libvirt
	$(call timed,tests,go test -vet=off -timeout 10m $(fast))

.PHONY: race
race: ## the race detector over the parts in memory
	$(call timed,race detector,go test -vet=off -race -timeout 15m $(RACE))

.PHONY: test-real
test-real: ## the tests of real drivers and of the reference server (as root)
	$(call timed,tests with real drivers,go test -vet=off -p 1 -timeout 15m $(REAL))

# Of so many kills, three in ten are with real guests. A failed soak prints its seed:
# SEED=n has the same customers do the same, though the moments are the machine's.
KILLS ?= 200
MEMORY_KILLS = $(shell echo $$(($(KILLS) * 7 / 10)))
soak = go test -vet=off -count 1 -v -timeout 60m -run '$(1)$$' ./examples/server -kills $(2) $(if $(SEED),-seed $(SEED))

.PHONY: crash
crash: deps ## kill the reference server KILLS (200) times at any moment, libvirtd and QEMU too (as root)
	$(call timed,kills with simulated guests,$(call soak,TestKilledAtAnyMoment,$(MEMORY_KILLS)))
	$(call timed,kills with real guests,$(call soak,TestKilledAtAnyMomentWithGuests,$$(($(KILLS) - $(MEMORY_KILLS)))))

SEEDS ?= 10000

.PHONY: simulate
simulate: ## run SEEDS (10000) seeds of the simulated cloud; SEED=n plays one again
	$(call timed,simulation,scripts/simulate.sh $(SEEDS) $(SEED))

.PHONY: broken
broken: ## break the cloud in ten ways, and see that seeds notice each
	go test -vet=off -count 1 -v -timeout 60m -run 'TestBreakingItIsNoticed' ./cloudtest/internal/simulate -broken 400

.PHONY: lint
lint: $(STATICCHECK) ## vet, staticcheck, scripts; internal/repotest has more rules
	$(call timed,vet,go vet ./...)
	$(call timed,staticcheck,$(STATICCHECK) ./...)
	@git ls-files -z '*.sh' .ci/run | xargs -0 -n 1 bash -n
	@if command -v shellcheck >/dev/null; then git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck -S warning; fi

$(STATICCHECK):
	GOBIN=$(CURDIR)/bin go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	mv bin/staticcheck $@

.PHONY: bench
bench: ## benchmarks; BENCH=regexp picks some
	go test -run '^$$' -bench '$(BENCH)' -benchmem -p 1 $(fast)

.PHONY: fuzz
fuzz: ## each fuzz target for FUZZTIME (10s)
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' "$$file" | while read -r target; do \
			echo "== $$(dirname "$$file") $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")"; \
		done; \
	done

.PHONY: cover
cover: ## coverage of the tests without real drivers, in build/cover.html
	@mkdir -p build
	go test -vet=off -coverpkg=./... -coverprofile=build/cover.out $(fast)
	go tool cover -html=build/cover.out -o build/cover.html
	@go tool cover -func=build/cover.out | tail -1

# Packages whose tests talk HTTP to the services. The authorisation matrix is not among
# them: it asks for everything and looks at no answer.
API = . ./cloudtest ./examples/embed ./examples/unittest ./identity/... \
	$(filter-out %/httpapi $(shell go list ./identity/...),$(filter %api,$(fast)))
RECORD = $(CURDIR)/build/served.tsv

.PHONY: coverage-api
coverage-api: ## which routes of the imitated APIs there are; writes docs/api-coverage.md
	@mkdir -p build && rm -f $(RECORD)
	APICOVERAGE=$(RECORD) go test -vet=off -count 1 -timeout 15m -tags apicoverage $(API)
	@sort -u -o $(RECORD) $(RECORD)
	APICOVERAGE_RECORD=$(RECORD) go test -count 1 -run TestReport ./internal/apicoverage
	@sed -n '/^| service/,/^$$/p' docs/api-coverage.md

.PHONY: demo
demo: ## show a real guest in a real cloud (as root); STOP=1 ends it
	@examples/server/demo.sh $(if $(STOP),stop,run)

.PHONY: clean
clean: ## remove what was built
	rm -rf build bin
