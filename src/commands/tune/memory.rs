//! How much memory the server's machine has: as somebody has said, or as this machine says where the server is on it.

use serde::Serialize;
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use crate::model::endpoint::{Endpoint, Location, Server};

/// Memory, and whose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Bytes.
    pub bytes: u64,
    /// Where the figure is from.
    pub origin: Origin,
}

/// Where a figure is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// `--memory`.
    Given,
    /// This machine: the server is reached through a socket in its file system.
    Machine,
    /// This machine: the server is reached at an address of its own, behind which a tunnel or a container may be.
    Loopback,
    /// The limit of the container that this program runs in.
    Container,
}

/// The memory to reckon with; `None` where the server is on another machine and nobody has said it.
pub fn of_server(endpoint: &Endpoint, given: Option<u64>) -> Option<Memory> {
    if let Some(bytes) = given {
        return Some(Memory { bytes, origin: Origin::Given });
    }
    let (Location::Postgres(server) | Location::Mysql(server)) = &endpoint.location else { return None };
    if !server.is_local() {
        return None;
    }
    here(server)
}

fn here(server: &Server) -> Option<Memory> {
    let ram = MemoryRefreshKind::nothing().with_ram();
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(ram));
    let limit = system.cgroup_limits().map(|limits| limits.total_memory);
    chosen(system.total_memory(), limit, server.socket.is_some())
}

/// Of what the machine has and what a container may use of it.
fn chosen(machine: u64, limit: Option<u64>, socket: bool) -> Option<Memory> {
    let memory = match limit.filter(|limit| *limit > 0 && *limit < machine) {
        Some(bytes) => Memory { bytes, origin: Origin::Container },
        None => Memory { bytes: machine, origin: if socket { Origin::Machine } else { Origin::Loopback } },
    };
    Some(memory).filter(|memory| memory.bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::endpoint::Tls;

    fn at(host: &str, socket: Option<&str>) -> Endpoint {
        let server = Server {
            host: host.into(),
            port: 5432,
            socket: socket.map(Into::into),
            user: "techcare".into(),
            password: None,
            database: "techcare".into(),
            tls: Tls::default(),
            options: None,
        };
        Endpoint::new(Location::Postgres(server), "from a test")
    }

    #[test]
    fn only_a_server_on_this_machine_has_its_memory() {
        assert_eq!(of_server(&at("db.example", None), None), None);
        let given = of_server(&at("db.example", None), Some(7)).unwrap();
        assert_eq!((given.bytes, given.origin), (7, Origin::Given));
        let there = of_server(&at("127.0.0.1", None), None).unwrap();
        assert!(there.bytes > 0 && there.origin != Origin::Machine, "{there:?}");
        let there = of_server(&at("localhost", Some("/run/postgresql")), None).unwrap();
        assert!(there.bytes > 0 && there.origin != Origin::Loopback, "{there:?}");
    }

    #[test]
    fn the_limit_of_a_container_counts_where_it_is_one() {
        let container = Memory { bytes: 5, origin: Origin::Container };
        assert_eq!(chosen(8, Some(5), false), Some(container));
        for unlimited in [None, Some(8), Some(u64::MAX), Some(0)] {
            let machine = Memory { bytes: 8, origin: Origin::Machine };
            assert_eq!(chosen(8, unlimited, true), Some(machine), "{unlimited:?}");
        }
        assert_eq!(chosen(0, None, true), None);
    }
}
