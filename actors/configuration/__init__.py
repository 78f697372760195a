"""From `openclaw.yaml` to typed, checked accounts.

The user's own file, in the user's own shape: everything of ours is in `channels.ztm-chat`, every
other section is left alone. Nothing is repaired in silence. What is wrong is an error, all errors
are reported at once, and each names the file, the line, the option, what was found and what is
allowed. A value that could be a secret is never shown.

Read in this order:

- `problems`      what is wrong and where, and the errors of this room
- `document`      YAML text to a tree of nodes that know their line and column
- `values`        what one option may hold: addresses, names, paths, durations, sizes
- `options`       the options as they are written, one Struct a section: the whole vocabulary
- `findings`      the list of problems as it grows, and where each option is in the file
- `reader`        a tree to Structs, option by option, so that no error hides another
- `settings`      what comes out: `Configuration`, `AccountConfig`
- `policies`      options to `events.policy.account_policy`, inheritance resolved
- `accounts`      one account, with what it inherits
- `advice`        what is allowed, but an operator should know
- `loading`       all of it in a row
- `environment`   where the file and the state lie, and the log level
"""

from actors.configuration.environment import find_config, log_level, state_dir
from actors.configuration.loading import load
from actors.configuration.problems import (
    ConfigurationError,
    ConfigurationInvalid,
    ConfigurationNotFound,
    Problem,
)
from actors.configuration.settings import (
    AccountConfig,
    Configuration,
    GatewaySettings,
    PermitFile,
    PermitServer,
    StoreSettings,
    TlsFiles,
)

__all__ = [
    "AccountConfig",
    "Configuration",
    "ConfigurationError",
    "ConfigurationInvalid",
    "ConfigurationNotFound",
    "GatewaySettings",
    "PermitFile",
    "PermitServer",
    "Problem",
    "StoreSettings",
    "TlsFiles",
    "find_config",
    "load",
    "log_level",
    "state_dir",
]
