"""The ZTM Agent's HTTP API: requests, answers read leniently, errors told apart."""
