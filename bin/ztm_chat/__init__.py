"""The command line of ztm-chat, and the embedded mesh of its demo and tests."""
