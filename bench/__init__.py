"""The measuring suite: drives pfserve and its peers from outside, as processes."""
