#!/usr/bin/env python3
"""yaml_to_json.py IN OUT: the same document, for readers that know JSON only."""

import json
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as source, open(sys.argv[2], "w", encoding="utf-8") as target:
    json.dump(yaml.safe_load(source), target)
