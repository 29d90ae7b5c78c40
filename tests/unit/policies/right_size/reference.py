#!/usr/bin/env python3
"""What right-sizing must find in a recorded series, computed from the definitions and not as policies/recommender.cpp
does: every sample is kept with its time, weighed at the end, sorted, and only the answer is rounded up to its bucket.
Prints one "name value" a line. Usage: reference.py series.csv [HOURS]: the first HOURS of it only."""
import csv
import sys

MIB = 1024 * 1024
HOUR, DAY = 3600, 86400


def bucket_end(value, first):
    """The first sum of first * 1.05^i that holds the value."""
    end, width = first, first
    while end < value * (1 - 1e-12):
        width *= 1.05
        end += width
    return end


def percentile(samples, share, half_life, now, first):
    """samples: (time, value, weight). The value at which the share of all weight is reached, as its bucket's end."""
    weighed = sorted((value, weight * 2 ** ((at - now) / half_life)) for at, value, weight in samples)
    wanted = share * sum(weight for _, weight in weighed)
    reached = 0
    # Values of one bucket are one value: only its end is told.
    for value, weight in weighed:
        reached += weight
        if reached >= wanted * (1 - 1e-12):
            return bucket_end(value, first)
    return bucket_end(weighed[-1][0], first)


def peaks(rows):
    """The highest use of each hour, hours beginning with the first sample after the one before; an OOM kill counts as
    max(1.2 x peak, peak + 100 MiB), and weighs 24 hours."""
    found, ooms = [], []
    for at, memory, _, oom in rows:
        if not found or at - found[-1][0] >= HOUR:
            found.append([at, memory])
        found[-1][1] = max(found[-1][1], memory)
        if oom:
            peak = found[-1][1]
            found[-1][1] = max(1.2 * peak, peak + 100 * MIB)
            ooms.append((at, found[-1][1], 23))
    return [(at, peak, 1) for at, peak in found] + ooms


def tell(name, samples, share, half_life, margin, now, first, seconds):
    days = seconds / DAY
    target = percentile(samples, share, half_life, now, first) * (1 + margin)
    lower = percentile(samples, min(share, 0.5), half_life, now, first) * (1 + margin) * (1 + 0.001 / days) ** -2
    upper = percentile(samples, max(share, 0.95), half_life, now, first) * (1 + margin) * (1 + 1 / days)
    for what, value in (("target", target), ("lower", lower), ("upper", upper), ("confidence", days / (1 + days))):
        print(f"{name}.{what} {value!r}")


def main():
    with open(sys.argv[1]) as file:
        rows = [(int(r["seconds"]), int(r["memory"]), float(r["cores"]), int(r["oom"])) for r in csv.DictReader(file)]
    if len(sys.argv) > 2:
        rows = [row for row in rows if row[0] <= float(sys.argv[2]) * HOUR]
    now = rows[-1][0]
    seconds = 60 * len(rows)
    cpu = [(at, cores, max(cores, 0.1) * 60) for at, _, cores, _ in rows]
    for share in (0.5, 0.9, 0.98, 1.0):
        tell(f"memory.p{share * 100:g}", peaks(rows), share, 48 * HOUR, 0.15, now, MIB, seconds)
        tell(f"cpu.p{share * 100:g}", cpu, share, 12 * HOUR, 0.15, now, 0.01, seconds)


main()
