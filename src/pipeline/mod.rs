//! The work itself, from preflight to switch, in terms of `engine/capability` and `model` only.
