"""Calls mem0's official client as it is told on its standard input, one JSON object a line; runs with that client's folder
first on the path. Arguments: host, key, sync or async.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import mem0  # type: ignore[import-not-found]


def main() -> None:
    host, key, form = sys.argv[1:]
    loop = asyncio.new_event_loop()
    client: Any = None
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            if client is None:
                client = (mem0.MemoryClient if form == "sync" else mem0.AsyncMemoryClient)(api_key=key, host=host)
            found = getattr(client, asked["name"])(*asked["args"], **asked["kwargs"])
            reply = {"result": loop.run_until_complete(found) if asyncio.iscoroutine(found) else found}
        except Exception as error:  # the client's own errors are what the tests look at
            reply = {"error": type(error).__name__, "module": type(error).__module__, "message": str(error)}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


main()
