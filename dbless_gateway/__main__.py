"""``python -m dbless_gateway`` is the same as the ``dbless-gateway`` command."""

from dbless_gateway.cli.main import main

raise SystemExit(main())
