#!/bin/bash
# Checks the sources of the control plane: format, vet, staticcheck, unit tests. Called by `make lint` and
# `make unit`. The contract tests, on the built binary, are pytest's (tests/contract).
#   check.sh [lint|unit]     both by default
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

# as build.sh builds: the same compiled packages serve all
export CGO_ENABLED=0 GOFLAGS='-trimpath -buildvcs=false'

lint() {
    local unformatted
    unformatted=$(gofmt -l cmd internal)
    if [ -n "$unformatted" ]; then
        echo "not formatted, run gofmt -w: $unformatted" >&2
        return 1
    fi
    go vet ./...
    # staticcheck has a module of its own, so that its dependencies stay out of the binary's
    local cache key
    cache=${QUANTIX_CACHE:-/var/cache/quantix}/controlplane-tools
    key=$(cat tools/go.mod tools/go.sum <(go env GOVERSION) | sha256sum | cut -c1-16)
    if [ ! -x "$cache/staticcheck-$key" ]; then
        mkdir -p "$cache"
        (cd tools && go build -o "$cache/staticcheck-$key" honnef.co/go/tools/cmd/staticcheck)
    fi
    "$cache/staticcheck-$key" ./cmd/... ./internal/...
}

unit() { go test -vet=off ./...; } # lint has run vet

case ${1:-all} in
lint) lint ;;
unit) unit ;;
all)
    lint
    unit
    ;;
*)
    echo "usage: check.sh [lint|unit]" >&2
    exit 2
    ;;
esac
