//! TechCare's own schema: the entity registry as a neutral schema, and its migrations.
