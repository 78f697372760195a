"""How things are shown: on a terminal, as JSON and CSV, as a page. Nothing here reads options.

- `terminal`         text that is safe to print, times, JSON in one line
- `progress`         a progress bar
- `message_story`    what happened to a message, in sentences (`why`)
- `current_policy`   what the current policy would decide (`why`)
- `decision_rows`    decisions as lines, JSON and CSV (`audit trail`)
- `past_state`       the state at a point in time (`replay`)
- `event_json`       events as JSON (`export`, `why --json`)
- `html_page`        conversations as an HTML page (`export --html`)
"""
