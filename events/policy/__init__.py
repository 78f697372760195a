"""Who is answered: the rules of the user's document, as pure functions of a policy and a message.

- `account_policy`   the policy of an account, and what a rule answers
- `direct`, `group`  the decision tables for direct messages and groups
- `mention`          whether a text mentions the bot; `mention_1` as version 1 of the rules has it
- `tools`            which tools a turn may use
- `names`            how hand-typed names match
"""
