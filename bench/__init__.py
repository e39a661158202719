"""Measuring: `python3 -m bench` asks every question there is, `python3 -m bench intake` one. See docs/speed.md."""
