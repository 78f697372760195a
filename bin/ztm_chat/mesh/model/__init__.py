"""What the mesh holds, and its rules. No I/O, no thread, no timer; clocks are passed in.

Read in this order:

- `wire`, `paths`   the agent's dialect of JSON, and the meaning of a file's path
- `file_store`      the files that one agent holds
- `hub`             which files are published, and who may see them
- `chat_app`        the Chat app in memory: what its user sees
- `journal`         every message ever published
- `permits`         who may join
- `timing`          how long everything takes
- `world`           what all agents of one mesh share
"""
