"""Verifies many exports as verify.py does one.

    verifications.py FOLDER

FOLDER/NAME is an export, FOLDER/NAME.policy the trust policy for it. Prints "NAME VERIFIED: the lines of its rounds" or "NAME what is wrong" for each.
"""
import pathlib
import sys

import verify
from ledger import Fault

for path in sorted(pathlib.Path(sys.argv[1]).glob("*.policy")):
    said = []
    try:
        verify.verify(path.with_suffix(""), path.read_text(), said.append)
        print(path.stem, "VERIFIED:", " | ".join(said))
    except Fault as fault:
        print(path.stem, fault)
