//! Translation of SQL expressions (defaults, checks, generated columns, index predicates) from one dialect to
//! another. Only what certainly means the same is translated; everything else is `None`, and the planner lists
//! the object as not carried.
