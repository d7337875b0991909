//! TechCare's own tables as SeaORM entities, one file a table.
