//! As much of JSON Schema as the published schemas use: a document against it, every deviation with its place.

use std::path::Path;

use serde_json::Value;

use super::binary::Ran;

/// The published schema of a command's document.
pub fn published(command: &str) -> Value {
    let file = format!("docs/schema/{command}-1.json");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The document of a run, which has to be as the published schema of that command says.
pub fn fits(command: &str, ran: &Ran) -> Value {
    let document = ran.json();
    let deviations = deviations(&published(command), &document);
    assert!(deviations.is_empty(), "{deviations:#?}\n{ran}");
    document
}

/// Deviations of a document; panics at a keyword that is not known here, so that none is passed over.
pub fn deviations(schema: &Value, document: &Value) -> Vec<String> {
    let mut found = Vec::new();
    visit(schema, schema, document, "$", &mut found);
    found
}

fn visit(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    for (keyword, wanted) in schema.as_object().unwrap_or_else(|| panic!("{at}: no schema")) {
        match keyword.as_str() {
            "$ref" => {
                let place = wanted.as_str().unwrap().trim_start_matches('#');
                let there = root.pointer(place).unwrap_or_else(|| panic!("{place} is not there"));
                visit(root, there, value, at, found);
            }
            "const" if value != wanted => found.push(format!("{at} is {value}, not {wanted}")),
            "enum" if !wanted.as_array().unwrap().contains(value) => {
                found.push(format!("{at} is {value}, none of {wanted}"));
            }
            "$schema" | "$defs" | "title" | "description" | "const" | "enum" => {}
            "type" => {
                let names = wanted.as_array().map_or_else(|| vec![wanted.clone()], Clone::clone);
                if !names.iter().any(|name| is(value, name.as_str().unwrap())) {
                    found.push(format!("{at} is {value}, no {wanted}"));
                }
            }
            "required" => {
                for key in wanted.as_array().unwrap().iter().filter_map(Value::as_str) {
                    if value.is_object() && value.get(key).is_none() {
                        found.push(format!("{at} has no {key}"));
                    }
                }
            }
            "properties" => {
                for (key, schema) in wanted.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        visit(root, schema, value, &format!("{at}.{key}"), found);
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (key, value) in value.as_object().into_iter().flatten() {
                    if known.is_some_and(|known| known.contains_key(key)) {
                        continue;
                    }
                    match wanted {
                        Value::Bool(false) => found.push(format!("{at} has a {key}")),
                        schema => visit(root, schema, value, &format!("{at}.{key}"), found),
                    }
                }
            }
            "items" => {
                for (i, value) in value.as_array().into_iter().flatten().enumerate() {
                    visit(root, wanted, value, &format!("{at}[{i}]"), found);
                }
            }
            other => panic!("{at}: the keyword {other} is not known"),
        }
    }
}

fn is(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "null" => value.is_null(),
        other => panic!("no type {other}"),
    }
}
