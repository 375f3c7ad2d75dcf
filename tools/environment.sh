#!/bin/sh
# Find a Python that is new enough and let tools/environment.py make .venv with it.
# The only step that runs before there is an environment, so it is plain POSIX sh.
new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if [ -n "$PYTHON" ]; then
    candidates=$PYTHON
else
    candidates=".venv/bin/python python3 python3.13 python3.12 python3.11 python"
fi
for candidate in $candidates; do
    if new_enough "$candidate"; then exec "$candidate" tools/environment.py; fi
done

found=$("${PYTHON:-python3}" -c 'import sys; print("Python %d.%d" % sys.version_info[:2])' 2>/dev/null)
echo "The course needs Python 3.11 or newer, and ${PYTHON:-python3} is ${found:-not there}:" \
     "install one from https://www.python.org/downloads/ and, if it is not on your PATH," \
     "name it, as in \`make book PYTHON=/path/to/python3.12\`." >&2
exit 1
