//! The application's DDL, letter for letter as SQLAlchemy 2.0 sends it to SQLite for the models of May 2025, and
//! the raw SQL of the script that brings older files up to it.

/// `db.create_all()`.
pub const CREATE: [&str; 6] = [
    ROLES,
    USERS,
    "CREATE UNIQUE INDEX ix_users_username ON users (username)",
    "CREATE UNIQUE INDEX ix_users_email ON users (email)",
    DIAGNOSTICS,
    MAINTENANCE_PLANS,
];

/// What an older release made and the script changed afterwards: `role` is a text, `role_id` comes last, `roles` has
/// an inline UNIQUE, a default and AUTOINCREMENT.
pub const CREATE_OLDER: [&str; 7] = [
    OLDER_USERS,
    "CREATE UNIQUE INDEX ix_users_username ON users (username)",
    "CREATE UNIQUE INDEX ix_users_email ON users (email)",
    DIAGNOSTICS,
    MAINTENANCE_PLANS,
    "
            CREATE TABLE roles (
                id INTEGER PRIMARY KEY AUTOINCREMENT,
                name VARCHAR(64) UNIQUE,
                description VARCHAR(255),
                permissions INTEGER DEFAULT 0
            )
            ",
    "ALTER TABLE users ADD COLUMN role_id INTEGER REFERENCES roles(id)",
];

const ROLES: &str = "
CREATE TABLE roles (
\tid INTEGER NOT NULL, 
\tname VARCHAR(64), 
\tdescription VARCHAR(255), 
\tpermissions INTEGER, 
\tPRIMARY KEY (id), 
\tUNIQUE (name)
)

";

const USERS: &str = "
CREATE TABLE users (
\tid INTEGER NOT NULL, 
\tusername VARCHAR(64), 
\temail VARCHAR(120), 
\trole_id INTEGER, 
\tpassword_hash VARCHAR(128), 
\tname VARCHAR(64), 
\tcreated_at DATETIME, 
\tlast_login DATETIME, 
\tactive BOOLEAN, 
\tPRIMARY KEY (id), 
\tFOREIGN KEY(role_id) REFERENCES roles (id)
)

";

const OLDER_USERS: &str = "
CREATE TABLE users (
\tid INTEGER NOT NULL, 
\tusername VARCHAR(64), 
\temail VARCHAR(120), 
\tpassword_hash VARCHAR(128), 
\tname VARCHAR(64), 
\trole VARCHAR(20), 
\tcreated_at DATETIME, 
\tlast_login DATETIME, 
\tactive BOOLEAN, 
\tPRIMARY KEY (id)
)

";

const DIAGNOSTICS: &str = "
CREATE TABLE diagnostics (
\tid INTEGER NOT NULL, 
\tuser_id INTEGER, 
\tname VARCHAR(64), 
\tdate DATETIME, 
\tcpu_results TEXT, 
\tmemory_results TEXT, 
\tdisk_results TEXT, 
\tstartup_results TEXT, 
\tdriver_results TEXT, 
\tsecurity_results TEXT, 
\tnetwork_results TEXT, 
\tscore FLOAT, 
\tstatus VARCHAR(20), 
\trecommendations TEXT, 
\tnotes TEXT, 
\tPRIMARY KEY (id), 
\tFOREIGN KEY(user_id) REFERENCES users (id)
)

";

const MAINTENANCE_PLANS: &str = "
CREATE TABLE maintenance_plans (
\tid INTEGER NOT NULL, 
\tuser_id INTEGER NOT NULL, 
\tname VARCHAR(64) NOT NULL, 
\tcleaning_types VARCHAR(128) NOT NULL, 
\tfrequency VARCHAR(20) NOT NULL, 
\tday_of_week VARCHAR(10), 
\tday_of_month INTEGER, 
\ttime VARCHAR(10) NOT NULL, 
\tenabled BOOLEAN, 
\tlast_run DATETIME, 
\tnext_run DATETIME, 
\tnotify_email VARCHAR(120), 
\tnotify_sms VARCHAR(32), 
\tcreated_at DATETIME, 
\tupdated_at DATETIME, 
\tPRIMARY KEY (id), 
\tFOREIGN KEY(user_id) REFERENCES users (id)
)

";
