"""The commands, one file each; `ztm_chat.cli` knows them by name."""
