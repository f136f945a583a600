"""`python -m server.cli`, what `./callboard` hands over to."""

import sys

try:
    from server.cli import main

    main.run(sys.argv[1:])
except KeyboardInterrupt:  # typer's own handling begins once everything is imported
    sys.exit(130)
