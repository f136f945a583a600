"""`python -m server.cli`, what `./callboard` hands over to."""

import sys

from server.cli import main

main.run(sys.argv[1:])
