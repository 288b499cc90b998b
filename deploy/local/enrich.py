#!/usr/bin/python3
"""Joins a list of subdivisions of countries to the countries' names and time zones.

  enrich.py INPUT.csv OUTPUT.csv

INPUT has the columns code, name, type of ISO 3166-2. OUTPUT has these and country, alpha_3 and
time_zones. The other sources are those that Debian ships: iso-codes and tzdata. The script knows
nothing of Closewrite; it is what somebody might have had before.
"""

import csv
import json
import sys

_COUNTRIES = "/usr/share/iso-codes/json/iso_3166-1.json"
_ZONES = "/usr/share/zoneinfo/zone.tab"


def countries():
    """alpha-2 code -> entry of ISO 3166-1."""
    with open(_COUNTRIES, encoding="utf-8") as file:
        return {entry["alpha_2"]: entry for entry in json.load(file)["3166-1"]}


def time_zones():
    """alpha-2 code -> names of its time zones, in the order of the table."""
    zones = {}
    with open(_ZONES, encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                code, _, zone = line.split("\t")[:3]
                zones.setdefault(code, []).append(zone.strip())
    return zones


def main(source, target):
    """Writes the enriched copy of `source` to `target`."""
    names, zones = countries(), time_zones()
    with open(source, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    with open(target, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["code", "name", "type", "country", "alpha_3", "time_zones"])
        for row in rows:
            country = row["code"].split("-")[0]
            writer.writerow([row["code"], row["name"], row["type"], names[country]["name"],
                             names[country]["alpha_3"], " ".join(zones.get(country, []))])
    print(f"{len(rows)} rows enriched")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
