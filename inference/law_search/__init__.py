"""Search of expressions: every small one, enumerated, fitted and measured."""
