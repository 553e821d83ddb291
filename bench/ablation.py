#!/usr/bin/env python3
"""What a part of a call costs: copies of the library with the part and without it, called in turn in the same process (bench/ablation.c).
Where a copy lies in memory changes a call by up to a nanosecond, so there are many processes, which open the copies in another order
each. Prints for each copy the smallest batch and the median of the processes' medians, and by how much the latter is below the first
copy's. A second copy of the first one shows how far two equal ones differ.

    bench/ablation.py PROGRAM PROFILE ARTIFACT PROCESSES LIBRARY...
"""
import itertools
import os
import statistics
import subprocess
import sys


def main():
    program, profile, artifact, processes, *libraries = sys.argv[1:]
    for recorded in "0", "1":
        smallest = {path: [] for path in libraries}
        medians = {path: [] for path in libraries}
        orders = itertools.cycle(itertools.permutations(libraries))
        for order in itertools.islice(orders, int(processes)):
            ran = subprocess.run([program, profile, artifact, recorded, *order], check=True, stdout=subprocess.PIPE, text=True)
            for path, line in zip(order, ran.stdout.splitlines(), strict=True):
                least, middle = map(float, line.split())
                smallest[path].append(least)
                medians[path].append(middle)
        print(f"{profile}, {'with' if recorded == '1' else 'without'} statistics, {processes} processes")
        first = statistics.median(medians[libraries[0]])
        for path in libraries:
            middle = statistics.median(medians[path])
            print(f"  {os.path.basename(path):24} min {min(smallest[path]):6.2f}  median {middle:6.2f}  less by {first - middle:5.2f} ns")


main()
