"""Results of earlier runs that stand while all that they depend on is as it was: proofs/sessions/<name>.json."""
# SPDX-License-Identifier: Apache-2.0

import hashlib
import json
import os


def digest(*parts):
    """sha256 over what decides a result."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class Record:
    """{name: what was found}, each with the digest of what it depends on."""

    def __init__(self, tree, name):
        self.path = f"proofs/sessions/{name}.json"
        self.file = os.path.join(tree.root, self.path)
        self.rows = json.loads(tree.read(self.path)) if tree.exists(self.path) else {}

    def standing(self, digests):
        """Of {name: digest}, what was found for those that are recorded with that digest."""
        return {n: self.rows[n]["found"] for n, d in digests.items() if self.rows.get(n, {}).get("depends_on") == d}

    def save(self, digests, found):
        """Record what was found for each name of digests, and nothing else."""
        rows = {n: {"depends_on": d, "found": found[n]} for n, d in digests.items()}
        with open(self.file, "w", encoding="utf-8") as f:
            json.dump(rows, f, indent=0, sort_keys=True)
            f.write("\n")
