#!/bin/sh
# Prints the first Python on this machine that can make our environment (3.11 to 3.13, with venv), or says what to install.
for candidate in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do
    if "$candidate" -c 'import ensurepip, sys, venv; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
        2>/dev/null; then
        command -v "$candidate"
        exit 0
    fi
done
echo 'Thumbtune needs Python 3.11, 3.12 or 3.13 with its venv module, and found none.' >&2
echo 'Debian or Ubuntu: apt-get install python3 python3-venv. Elsewhere: https://www.python.org/downloads/' >&2
echo 'A Python in another place: make PYTHON=/path/to/python3.11 …' >&2
exit 1
