"""A load of Python objects for the benchmark: JSON, dictionaries, objects and strings. Argument: scale in percent."""
# SPDX-License-Identifier: Apache-2.0
import hashlib
import json
import random
import sys


class Item:
    def __init__(self, key, name, tags):
        self.key, self.name, self.tags = key, name, tags
        self.links = []

    def record(self):
        return {"key": self.key, "name": self.name, "tags": self.tags, "links": [i.key for i in self.links]}


def build(rng, count):
    items = [Item(n, "item-%x" % rng.getrandbits(40), ["t%d" % rng.randrange(500) for _ in range(rng.randrange(6))])
             for n in range(count)]
    for item in items:
        item.links = rng.sample(items, rng.randrange(4))
    return items


def index(records):
    by_tag = {}
    for record in records:
        for tag in record["tags"]:
            by_tag.setdefault(tag, []).append((record["name"], len(record["links"])))
    return {tag: sorted(names) for tag, names in by_tag.items()}


def main():
    rng = random.Random(1)
    digest = hashlib.sha256()
    for _ in range(int(sys.argv[1]) * 4 // 100 or 1):
        text = json.dumps([item.record() for item in build(rng, 15000)])
        tags = index(json.loads(text))
        words = " ".join(name for names in tags.values() for name, _ in names).replace("-", " ").split()
        digest.update(json.dumps(tags, sort_keys=True).encode())
        digest.update(str(len(set(words))).encode())
    print(digest.hexdigest())


main()
