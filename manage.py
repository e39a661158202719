#!/usr/bin/env python
"""Runs Aftersend's commands: `.venv/bin/python manage.py help` lists them."""

from __future__ import annotations

import os
import sys

try:
    from django.core.management import execute_from_command_line
except ModuleNotFoundError:
    sys.exit("Django is not installed for this Python. Use .venv/bin/python manage.py; `make run` makes .venv.")

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    execute_from_command_line(sys.argv)
