//! Everything of an archive but its rows: what its members, its manifest and its schema say, and that they agree.

use std::fs::File;
use std::io::{self, Read as _};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::container::{self, Damage, Member, Stretch};
use super::format::{self, Manifest};
use crate::engine::capability::Facts;
use crate::model::schema::Schema;
use crate::model::value::format_hex;

/// Everything but the rows.
pub struct Parts {
    /// Members in their order.
    pub members: Vec<Member>,
    /// What it says about itself.
    pub manifest: Manifest,
    /// Schema of the database.
    pub schema: Schema,
    /// Facts of the database that it was.
    pub facts: Facts,
}

/// Reads it, and whether its members, manifest and schema speak of the same.
pub fn read(file: &File) -> io::Result<Result<Parts, Damage>> {
    let (members, manifest) = match manifest(file)? {
        Ok(read) => read,
        Err(damage) => return Ok(Err(damage)),
    };
    let text = match json(file, &members, 0, format::SCHEMA)? {
        Ok(text) => text,
        Err(damage) => return Ok(Err(damage)),
    };
    if format_hex(&Sha256::digest(&text)) != manifest.schema_sha256 {
        return Ok(Err("the schema is not the one that was written".into()));
    }
    let schema: Schema = match serde_json::from_slice(&text) {
        Ok(schema) => schema,
        Err(e) => return Ok(Err(format!("the schema cannot be understood: {e}"))),
    };
    if let Err(damage) = agree(&members, &manifest, &schema) {
        return Ok(Err(damage));
    }
    let facts = facts(file, &manifest)?;
    Ok(Ok(Parts { members, manifest, schema, facts }))
}

/// Its members and its manifest.
pub fn manifest(file: &File) -> io::Result<Result<(Vec<Member>, Manifest), Damage>> {
    let members = match container::members(file)? {
        Ok(members) => members,
        Err(damage) => return Ok(Err(damage)),
    };
    let text = match json(file, &members, members.len().saturating_sub(1), format::MANIFEST)? {
        Ok(text) => text,
        Err(damage) => return Ok(Err(damage)),
    };
    Ok(understood(&text).map(|manifest| (members, manifest)))
}

fn understood(text: &[u8]) -> Result<Manifest, Damage> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
        program: String,
    }
    let wrong = |e: serde_json::Error| format!("the manifest cannot be understood: {e}");
    let head: Head = serde_json::from_slice(text).map_err(wrong)?;
    if head.format > format::VERSION {
        let shown: String = head.program.chars().filter(|c| !c.is_control()).take(60).collect();
        return Err(format!("it was written by a newer program ({shown}) in format {}", head.format));
    }
    serde_json::from_slice(text).map_err(wrong)
}

/// The text of the JSON member at that place.
fn json(file: &File, members: &[Member], at: usize, name: &str) -> io::Result<Result<Vec<u8>, Damage>> {
    let Some(member) = members.get(at).filter(|m| m.name == name && m.bytes <= format::MOST_JSON) else {
        return Ok(Err(format!("{name} is missing")));
    };
    let mut text = Vec::new();
    Stretch::of(file, member).read_to_end(&mut text)?;
    Ok(if member.holds(&text) { Ok(text) } else { Err(format!("{name} is damaged")) })
}

/// Whether members, manifest and schema speak of the same tables.
fn agree(members: &[Member], manifest: &Manifest, schema: &Schema) -> Result<(), Damage> {
    let tables = &manifest.tables;
    if tables.len() > format::MOST_TABLES || members.len() != tables.len() + 2 {
        return Err("it has other members than its manifest says".into());
    }
    if schema.tables.len() != tables.len() || schema.dialect != manifest.database.product.dialect() {
        return Err("its schema is not that of its manifest".into());
    }
    for (nth, (entry, table)) in tables.iter().zip(&schema.tables).enumerate() {
        let member = &members[nth + 1];
        let columns = entry.columns.iter().map(|c| &c.name).eq(table.columns.iter().map(|c| &c.name));
        if member.name != format::member(nth)
            || member.name != entry.member
            || member.bytes != entry.bytes
            || entry.name != table.name
            || !columns
        {
            return Err(format!("table {:?} is not as its manifest says", table.name));
        }
    }
    Ok(())
}

/// Facts of the database that it was; where it is now is the file.
fn facts(file: &File, manifest: &Manifest) -> io::Result<Facts> {
    let database = manifest.database.clone();
    Ok(Facts {
        flavour: database.product,
        version: database.version,
        version_number: database.version_number,
        encoding: database.encoding,
        collation: database.collation,
        time_zone: database.time_zone,
        size: Some(file.metadata()?.len()),
        identity: format!("archive:{}", manifest.run),
        latency: Duration::ZERO,
        collations: database.collations,
        sequences: Vec::new(),
        max_value_bytes: None,
        case_sensitive_names: database.case_sensitive_names,
        unique_parents: false,
        namespace: database.namespace,
    })
}
