#!/usr/bin/env pilotfish
# Two parallel programs share 16 cores (dissertation §3.1.2): `barrier` synchronises its 16 threads
# after every small computation, `cpu_bound` computes in 8 threads and never waits.

echo "Best effort: every core schedules for itself."
spawn -n 8 cpu_bound
spawn -n 16 barrier
run 2s
ps
schedule

echo ""
echo "The same programs; the manifest of figure 3.4 has barrier's threads start together."
reset
spawn -n 8 cpu_bound
spawn -n 16 -m gang.manifest barrier
phase barrier 1
run 2s
ps
schedule
