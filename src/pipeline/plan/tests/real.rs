//! TechCare's schema, as its application declares it, towards the real rules.
