#!/usr/bin/env python3
"""Builds the files of this folder from a tracker catalogue: build.py FOLDER-OF-THE-CATALOGUE

Reads companies, domains, patterns, cname-cloaking, doh-servers and essential (.tsv) and writes our
six tables, and the parts of README.md between the `built` markers. Same input, same octets out.
"""

import collections
import csv
import pathlib
import re
import sys

EDITION = "2026-11-21"
HERE = pathlib.Path(__file__).resolve().parent

# Every note that a default row carries beyond "no", read once, and what follows from it. A note
# that is not here stops the build: somebody has to read it first.
STAYS = {
    "partly: Analytics and Target; common CNAME target": "tests of the customers' own pages",
    "partly: also serves content": "content on other companies' pages",
    "partly: also serves the Facebook log-in SDK and social plug-ins": "log-in on other companies' pages",
    "partly: breakage reported to AdGuard": "on other companies' pages; no app or site of its own is named",
    "partly: content recognition in Sony, Philips, Toshiba and other TVs; the company's own web site":
        "as the next but one: no service that people use",
    "partly: conversion pixel; click-through of search ads": "advertising",
    "partly: deep links": "links into other companies' apps",
    "partly: deep links in apps": "links into other companies' apps",
    "partly: device diagnostics; rarely vendor features": "diagnostics are what is meant to be blocked",
    "partly: functional use seen by EFF": "on other companies' pages; no app or site of its own is named",
    "partly: loads other vendors' tags; blocking it stops most pixels, some sites lose scripts":
        "scripts of other companies' pages",
    "partly: on a common allow list": "does not say what needs it",
    "partly: only connect.facebook.net is in wide use: pixel, log-in SDK, plug-ins":
        "log-in on other companies' pages",
    "partly: the company's own web site":
        "a tracking company's site about itself; the build checks that none of these companies has a row of level app",
}
GOES_TO_STRICT = {
    "partly: GA4 collection when Google Signals is on; also the Analytics web console": "the console of Google Analytics",
    "partly: Snap Pixel library scevent; also static files of Snap sites": "Snapchat's own sites",
    "partly: console for businesses": "Pinterest's console for businesses",
    "partly: conversion pixel; X analytics console": "the analytics console of X",
}
OWN_WEB_SITE = "partly: the company's own web site"

# Operated as one: a ban of the first takes in the second, which is its parent.
BANNED_WITH = {"tiktok": "bytedance"}

# Hearsay about a company that says nothing of who controls it today.
NOTES_LEFT_OUT = {"pushwoosh"}

CAUTION = {"no": 0, "partly": 1, "yes": 2}


def read(folder, name):
    with open(folder / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def slug(company):
    """A company's id as a list name can hold it."""
    return company.replace("_", "-")


def word(breakage):
    return breakage.split(":")[0]


def names_table(domains):
    apps = {row["company"] for row in domains if row["level"] == "app"}
    rows, moved = [], []
    for row in domains:
        if row["attribution_basis"] != "P":
            continue
        level, note = row["level"], row["breaks_if_blocked"]
        if level == "default" and word(note) != "no":
            if note not in STAYS and note not in GOES_TO_STRICT:
                sys.exit(f"{row['domain']}: nobody has read the note `{note}`: put it into STAYS or GOES_TO_STRICT")
            if note == OWN_WEB_SITE and row["company"] in apps:
                sys.exit(f"{row['domain']}: {row['company']} runs a service, so its own site is one that people use")
            if note in GOES_TO_STRICT:
                level = "strict"
                moved.append((row["domain"], note, GOES_TO_STRICT[note]))
        rows.append({
            "name": row["domain"], "company": slug(row["company"]), "purpose": row["category"],
            "tier": row["tier"], "level": level, "breakage": note, "attribution": row["attribution"],
            "company_sources": row["attribution_sources"], "class_sources": row["class_sources"],
        })
    return rows, sorted(moved)


def spare_resolvers(names, resolvers):
    """A resolver's own name is no shared delivery: `off`, so that the list encrypted-dns may have it."""
    changed = []
    for row in names:
        if row["level"] == "never" and row["name"] in resolvers:
            row["level"] = "off"
            changed.append(row["name"])
    return changed


class Breakage:
    """What breaks where the catalogue gives no note: patterns and alias targets."""

    def __init__(self, names):
        self.names = {row["name"]: row for row in names}
        self.usual = collections.defaultdict(collections.Counter)
        for row in names:
            if "web site" not in row["breakage"]:
                self.usual[row["purpose"], row["level"]][row["breakage"]] += 1

    def of_kind(self, purpose, level):
        """The commonest note of names of this purpose and level, that nobody visits."""
        counted = self.usual[purpose, level]
        return min(counted, key=lambda note: (-counted[note], note)) if counted else "no"

    def of_pattern(self, row):
        """That of the name that covers it already, else the most cautious of names that it matches."""
        covered = re.fullmatch(r"already covered by (\S+)", row["note"])
        if covered and covered[1] in self.names:
            return self.names[covered[1]]["breakage"]
        regex = re.compile(row["regex"])
        notes = {n["breakage"] for n in self.names.values() if regex.search(n["name"]) and n["level"] == row["level"]}
        most = max(notes, key=lambda note: (CAUTION[word(note)], note), default=None)
        return most or self.of_kind(row["category"], row["level"])

    def of_alias(self, row):
        labels = row["suffix"].split(".")
        for start in range(len(labels) - 1):
            known = self.names.get(".".join(labels[start:]))
            if known and known["level"] == row["level"] and (start == 0 or "web site" not in known["breakage"]):
                return known["breakage"]
        if row["level"] != "default" and row["note"]:
            return f"partly: {row['note']}"
        level = "strict" if row["level"] == "candidate" else row["level"]
        return self.of_kind(row["category"], level)


def patterns_table(patterns, breakage):
    return [{
        "regex": row["regex"], "company": slug(row["company"]), "purpose": row["category"], "tier": row["tier"],
        "level": row["level"], "breakage": breakage.of_pattern(row), "names_seen": row["names_seen"],
        "sources": row["sources"], "note": row["note"],
    } for row in patterns]


def aliases_table(aliases, domains, breakage):
    tiers = {row["category"]: row["tier"] for row in domains if row["level"] in ("default", "strict")}
    tiers["fraud-prevention"] = "fingerprinting"
    return [{
        "suffix": row["suffix"], "company": slug(row["company"]), "purpose": row["category"],
        "tier": tiers[row["category"]], "level": row["level"], "breakage": breakage.of_alias(row),
        "seen_adguard": row["disguised_names_seen_adguard"], "seen_ddg": row["disguised_names_seen_ddg"],
        "sources": row["sources"], "note": row["note"],
    } for row in aliases]


def companies_table(companies, needed):
    known = {row["id"]: row for row in companies}
    wanted = set()
    for company in sorted(needed):
        while company and company not in wanted:
            wanted.add(company)
            company = known[company]["parent"]
    return [{
        "slug": slug(row["id"]), "name": row["name"], "parent": slug(row["parent"]), "country": row["country"],
        "website": row["website"], "banned_with": BANNED_WITH.get(row["id"], ""),
        "country_sources": row["country_sources"], "country_conflict": row["country_conflict"],
        "note": "" if row["id"] in NOTES_LEFT_OUT else row["note"],
    } for row in companies if row["id"] in wanted]


def encrypted_dns_table(servers):
    """One row a host; where it is a relay or canary as well as a resolver, it is the former."""
    special = {row["host"] for row in servers if row["kind"] != "resolver"}
    return [{
        "host": row["host"], "kind": row["kind"], "protocols": row["protocols"], "operator": row["operator"],
        "country": row["country"], "sources": row["sources"], "note": row["note"],
    } for row in servers if row["kind"] != "resolver" or row["host"] not in special]


def essential_table(essential):
    return [{
        "name": row["domain"], "match": row["match"], "purpose": row["purpose"], "operator": row["operator"],
        "sources": row["sources"], "note": row["note"],
    } for row in essential]


def write(name, about, rows, order):
    head = [f"# edition: {EDITION}", "# SPDX-License-Identifier: MIT OR Apache-2.0"]
    columns = list(rows[0])
    lines = head + [f"# {line}" for line in about] + ["\t".join(columns)]
    for row in sorted(rows, key=lambda row: [row[column] for column in order]):
        if any(re.search(r"[\t\r\n]", value) for value in row.values()):
            sys.exit(f"{name}: a value of {row} holds a tab or a line end")
        lines.append("\t".join(row.values()))
    (HERE / name).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def counts(tables):
    names, patterns, aliases = tables["names"], tables["patterns"], tables["aliases"]
    listed = {row["name"] for row in names}
    extra = [row for row in aliases if row["suffix"] not in listed]
    rows = names + patterns + extra
    level = collections.Counter({"candidate": "off"}.get(row["level"], row["level"]) for row in rows)
    kind = collections.Counter(row["kind"] for row in tables["encrypted_dns"])
    return [
        ("companies", len(tables["companies"])), ("companies with a name, pattern or alias target", len({row["company"] for row in rows})),
        ("names", len(names)), ("patterns", len(patterns)), ("alias targets", len(aliases)),
        ("alias targets that are not among the names", len(extra)),
        ("rows of level default", level["default"]), ("rows of level strict", level["strict"]),
        ("rows of level off", level["off"]), ("rows of level app", level["app"]), ("rows of level never", level["never"]),
        ("resolvers of encrypted DNS", kind["resolver"]),
        ("other names of encrypted DNS", len(tables["encrypted_dns"]) - kind["resolver"]),
        ("essential names", len(tables["essential"])),
    ]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def fill(readme, part, text):
    start, end = f"<!-- built: {part} -->", "<!-- /built -->"
    before, rest = readme.split(start)
    return before + start + "\n" + text + "\n" + end + rest.split(end, 1)[1]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    domains, servers = read(folder, "domains.tsv"), read(folder, "doh-servers.tsv")
    names, moved = names_table(domains)
    encrypted_dns = encrypted_dns_table(servers)
    spared = spare_resolvers(names, {row["host"] for row in encrypted_dns if row["kind"] == "resolver"})
    breakage = Breakage(names)
    aliases_in, owners = read(folder, "cname-cloaking.tsv"), {row["company"] for row in domains if row["attribution_basis"] == "P"}
    owners |= {row["company"] for row in aliases_in}
    patterns_in = [row for row in read(folder, "patterns.tsv") if row["company"] in owners]
    tables = {
        "names": names, "patterns": patterns_table(patterns_in, breakage),
        "aliases": aliases_table(aliases_in, domains, breakage), "encrypted_dns": encrypted_dns,
        "essential": essential_table(read(folder, "essential.tsv")),
        "companies": companies_table(read(folder, "companies.tsv"), owners),
    }
    ways = "README.md says what the columns mean and how to correct a row."
    write("companies.tsv", ["Who runs the names, and who controls them today.", ways], tables["companies"], ["slug"])
    write("names.tsv", ["A name and all below it; the longest row wins.", ways], names, ["company", "name"])
    write("patterns.tsv", ["Families of numbered or regional names, as regular expressions.",
                           "A pattern loses only to a row equal to the name asked, and beats a parent's row.", ways],
          tables["patterns"], ["company", "regex"])
    write("cname-cloaking.tsv", ["Targets of aliases by which sites pass a tracker off as a name of their own.", ways],
          tables["aliases"], ["company", "suffix"])
    write("encrypted-dns.tsv", ["Servers by which devices pass the network's resolver, and names that steer them.", ways],
          encrypted_dns, ["operator", "host"])
    write("essential.tsv", ["Names that no shipped list and no ban may block.", ways], tables["essential"], ["purpose", "name"])
    readme = (HERE / "README.md").read_text(encoding="utf-8")
    readme = fill(readme, "counts", table(["what", "how many"], counts(tables)))
    readme = fill(readme, "moved", table(["name", "note", "needed for"], [(f"`{n}`", note, why) for n, note, why in moved]))
    readme = fill(readme, "stays", table(["note", "why it stays at default"], sorted(STAYS.items())))
    readme = fill(readme, "spared", ", ".join(f"`{name}`" for name in spared))
    (HERE / "README.md").write_text(readme, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
