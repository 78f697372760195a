"""HTTP: `client`, the only place that imports httpx; `errors`, how a request fails; `urls`."""
