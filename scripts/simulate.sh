#!/bin/bash
# Runs SEEDS seeds of the simulation on all processors, one process each, or tells the
# story of one SEED. usage: simulate.sh SEEDS [SEED]
set -euo pipefail
cd "$(dirname "$0")/.."
seeds=$1 seed=${2:-}
mkdir -p build
go test -c -o build/simulate ./cloudtest/internal/simulate
export GODEBUG=asyncpreemptoff=1 # the order of goroutines is the schedule's
run=(build/simulate -test.run 'TestSeeds$' -test.v -test.timeout 0)
if [ -n "$seed" ]; then
	echo "the story of seed $seed is in build/seed-$seed.txt"
	"${run[@]}" -seeds 1 -seed "$seed" -story >"build/seed-$seed.txt" 2>&1 || failed=1
	grep -A 3 'problems' "build/seed-$seed.txt" || true
	exit "${failed:-0}"
fi
processes=$(nproc)
pids=()
for ((i = 0; i < processes; i++)); do
	"${run[@]}" -seeds $(((seeds + processes - 1 - i) / processes)) -seed $((i + 1)) -stride "$processes" \
		>"build/simulate-$i.txt" 2>&1 &
	pids+=($!)
done
failed=0
for pid in "${pids[@]}"; do
	wait "$pid" || failed=1
done
grep -h -A 3 'problems\|panic:\|fatal' build/simulate-*.txt || true
grep -h 'seeds in' build/simulate-*.txt
exit "$failed"
