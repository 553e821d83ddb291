"""Looks into what `rtwasm bench --json` and `rtwasm bisect --json` have found.

look.py suspects FILE                  the suspects' ids, one a line
look.py faster FILE NAME METRIC        exit status 0 if that variant is faster than the baseline in that metric, beyond noise
look.py shorter FILE NAME METRIC       exit status 0 if the whole interval of its ratio is below 1, whatever the twin differs by
look.py quiet FILE [NAME ...]          exit status 0 if no variant is faster beyond noise, or none of those that are named
look.py value FILE KEY [KEY ...]       what is there
"""
import json
import sys


def load(path):
    with open(path) as file:
        return json.load(file)


def verdicts(variant):
    return {key: value["verdict"] for key, value in variant.items() if isinstance(value, dict)}


def effect(found, name, metric):
    variants = [v for v in found["variants"] if v["name"] == name]
    if len(variants) != 1:
        sys.exit(f"there are {len(variants)} variants {name!r} in {[v['name'] for v in found['variants']]}")
    print(json.dumps(variants[0], indent=1))
    return variants[0][metric]


def quiet(found, names):
    wanted = [v for v in found["variants"] if not names or v["name"] in names]
    if len(wanted) < max(1, len(names)):
        sys.exit(f"not all of {names} were tried: {[v['name'] for v in found['variants']]}")
    loud = {v["name"]: verdicts(v) for v in wanted if "faster" in verdicts(v).values()}
    print(json.dumps(loud))
    return not loud


def main(arguments):
    match arguments:
        case ["suspects", path]:
            for suspect in load(path)["suspects"]:
                print(suspect["id"])
            return 0
        case ["faster", path, name, metric]:
            return 0 if effect(load(path), name, metric)["verdict"] == "faster" else 1
        case ["shorter", path, name, metric]:
            return 0 if effect(load(path), name, metric)["high"] < 1 else 1
        case ["quiet", path, *names]:
            return 0 if quiet(load(path), names) else 1
        case ["value", path, *keys]:
            value = load(path)
            for key in keys:
                value = value[key]
            print(value)
            return 0
    sys.exit(__doc__)


sys.exit(main(sys.argv[1:]))
