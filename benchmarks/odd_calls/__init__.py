"""Public functions called with odd arguments: a result or one of our errors, in bounded time."""
