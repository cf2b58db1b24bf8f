# make help says what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@2026.2.2

# Where goroutines meet: these run under the race detector. The drivers of real things
# are tested without it: their time goes into guests and packets.
RACE := ./internal/... ./identity/... ./image/... ./volume/... ./network ./network/networkapi ./network/memnetwork \
	./compute ./compute/computeapi ./compute/placement/... ./compute/scheduler ./compute/memhypervisor

.PHONY: help
help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.PHONY: deps
deps: ## install what tests and demo need (as root)
	@scripts/install-deps.sh

.PHONY: build
build: ## build everything, and the reference server as build/server
	go build ./...
	go build -o build/server ./examples/server

.PHONY: test
test: deps ## all tests: unit, conformance with real drivers, end to end
	go test -p 2 -timeout 15m ./...

.PHONY: race
race: ## the tests of what is concurrent, under the race detector
	go test -race -p 2 -timeout 15m $(RACE)

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, shellcheck where it is installed
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	go vet ./...
	go run $(STATICCHECK) ./...
	@if command -v shellcheck >/dev/null; then shellcheck $$(git ls-files '*.sh') .ci/run; fi

.PHONY: bench
bench: ## benchmarks; docs/performance.md has figures
	go test -run '^$$' -bench . -benchmem -benchtime 1s ./...

.PHONY: fuzz
fuzz: ## each fuzz target for ten seconds
	@for p in $$(grep -rl '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u); do \
		for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$p/*_test.go | sed 's/func //'); do \
			echo "$$p $$f"; go test $$p -run '^$$' -fuzz "^$$f$$" -fuzztime 10s || exit 1; \
		done; done

.PHONY: demo
demo: ## a real cloud with real guests, step by step; STOP=1 ends it
	@examples/server/demo.sh $(if $(STOP),stop,run)
