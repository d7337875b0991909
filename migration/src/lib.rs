//! Creates and drops TechCare's own tables on all three engines.
