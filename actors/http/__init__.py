"""HTTP, in the one place that imports httpx: `client`, and how it fails (`errors`)."""
