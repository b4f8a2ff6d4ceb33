"""Why a run does not convert, or what to run so that it does: evidence, causes, commands."""
