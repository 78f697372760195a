"""The AI agents that answer for the bot.

An agent is asked a `Question` (the messages of one turn, what came before them, and who is
speaking) and gives an `Answer`, or fails with an `AgentError` that says whether asking again may
help. Agents run on the edge's asyncio loop. But for `runner`, nothing here knows of actors, of the
log or of ZTM: whether a message may be answered at all was decided before an agent is asked, and
what becomes of the answer is decided after.

In the order to read them:

- `protocol`: the question, the answer, the agent, and the ways an agent fails.
- `silence`: the word by which an agent says that nothing is to be said.
- `echo`: says back what it was told. Built in, the default.
- `command`: a program on this machine, asked through its standard input; `subprocess_turn` is one
  run of it, and makes certain of its end, `process_tree` of the end of what it started.
- `openai`: any server that speaks OpenAI's chat completions.
- `settings`: how each is written in the configuration; `configured` builds one from that.
- `runner`: makes the question of a turn from the log, and asks; `fair_semaphore` shares the places
  between accounts.

Three rules hold for all agents. Everything an agent returns is bounded in size and in time. No
error quotes anybody's words, and none shows a key, because errors are logged. The same key asks
the same question: what is cut off may be asked again with it.

An agent is handed the tools that the policy grants, but only an agent that has tools can honour
them: a command sees them in its question; a chat completion request offers the model no tools at
all, and a server that runs tools of its own accord has to be restricted there.
"""
