#!/bin/bash
# Builds quantix-controlplane unless this very version of it is in the cache, and prints its path.
# Called by `qx up`, the tests and check.sh. Needs Go and, the first time, the network (about 6 min on
# 2 cores). Progress goes to standard error; standard output holds the path alone.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

kubernetes=$(sed -n 's/^\tk8s.io\/kubernetes v//p' go.mod)
project=$(sed -n 's/^version = "\(.*\)"$/\1/p' ../pyproject.toml)
go=$(go env GOVERSION GOARCH | tr '\n' ' ')

# everything that the binary depends on; tests are not part of it
key=$({
    echo "$go $project"
    sha256sum go.mod go.sum build.sh
    find cmd internal -name '*.go' ! -name '*_test.go' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
} | sha256sum | cut -c1-16)

cache=${QUANTIX_CACHE:-/var/cache/quantix}/controlplane
binary=$cache/$key/quantix-controlplane
if [ -x "$binary" ]; then
    echo "$binary"
    exit
fi

mkdir -p "$cache/$key"
# one build at a time: a second caller waits and then finds the binary
exec 9>"$cache/lock"
flock 9
if [ ! -x "$binary" ]; then
    began=$(date +%s)
    echo "building the control plane (Kubernetes $kubernetes, ${go% }); the first time takes about 6 min on 2 cores" >&2
    base=k8s.io/component-base/version client=k8s.io/client-go/pkg/version
    flags="-s -w -X quantix.io/controlplane/internal/version.Version=$project"
    for package in $base $client; do
        flags+=" -X $package.gitVersion=v$kubernetes -X $package.gitTreeState=clean"
        flags+=" -X $package.gitMajor=$(echo "$kubernetes" | cut -d. -f1) -X $package.gitMinor=$(echo "$kubernetes" | cut -d. -f2)"
    done
    temp=$(mktemp "$cache/$key/.build.XXXXXX")
    trap 'rm -f "$temp"' EXIT
    # -trimpath: the same binary wherever the checkout is; -mod=readonly: go.sum decides what is built
    CGO_ENABLED=0 GOFLAGS='' go build -mod=readonly -trimpath -buildvcs=false -ldflags "$flags" -o "$temp" \
        ./cmd/quantix-controlplane >&2 &
    build=$!
    while kill -0 $build 2>/dev/null; do
        sleep 1
        elapsed=$(($(date +%s) - began))
        if ((elapsed % 30 == 0)); then echo "building the control plane: ${elapsed} s" >&2; fi
    done
    wait $build
    chmod 755 "$temp"
    mv "$temp" "$binary"
    echo "built the control plane in $(($(date +%s) - began)) s" >&2
    # the newest three stay, for who goes back and forth between versions
    ls -1dt "$cache"/*/ | tail -n +4 | while read -r old; do rm -rf "$old"; done
fi
echo "$binary"
