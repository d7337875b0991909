//! An account of a server that has to show a password.

use crate::support::database::{Db, Engine};

/// Part of every password here, so that one is found however it is spelt: as it is, percent-encoded or escaped.
pub const WORD: &str = "kanarienvogel";

/// A password with everything in it that URLs and files give a meaning to.
pub const PASSWORD: &str = "p@s:w/o#r%41d?ã&kanarienvogel";

/// The same in a URL.
pub const ENCODED: &str = "p%40s%3Aw%2Fo%23r%2541d%3F%C3%A3%26kanarienvogel";

/// An account and a database that it may do everything in.
pub struct Account {
    pub db: Db,
    pub user: String,
}

impl Account {
    pub fn new(engine: Engine) -> Self {
        Self::on(Db::fresh(engine))
    }

    pub fn on(db: Db) -> Self {
        let user = format!("u_{}", db.name());
        db.execute(&if db.engine == Engine::Postgres {
            format!(
                "CREATE ROLE {user} LOGIN PASSWORD '{PASSWORD}' IN ROLE with_password;
                 GRANT ALL ON DATABASE {} TO {user}; GRANT ALL ON SCHEMA public TO {user}",
                db.name()
            )
        } else {
            format!("CREATE USER {user} IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO {user}")
        });
        Self { db, user }
    }

    /// Host and port of the server.
    pub fn place(&self) -> &str {
        self.db.url.rsplit_once('@').unwrap().1.split_once('/').unwrap().0
    }

    /// URL of the account at another host and port, with this password if any.
    pub fn url_at(&self, place: &str, password: Option<&str>) -> String {
        let scheme = self.db.url.split(':').next().unwrap();
        let password = password.map(|password| format!(":{password}")).unwrap_or_default();
        format!("{scheme}://{}{password}@{place}/{}", self.user, self.db.name())
    }

    /// URL of the account.
    pub fn url(&self, password: Option<&str>) -> String {
        self.url_at(self.place(), password)
    }

    /// The word that means this engine.
    pub fn word(&self) -> &'static str {
        if self.db.engine == Engine::Postgres { "postgresql" } else { "mysql" }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // While a test is failing, a second failure would only hide the first.
        if !std::thread::panicking() {
            self.db.execute(&if self.db.engine == Engine::Postgres {
                format!("DROP OWNED BY {0}; DROP ROLE {0}", self.user)
            } else {
                format!("DROP USER {}", self.user)
            });
        }
    }
}
