//! A target that exists only here: its types are the neutral ones by name, and what it can do is set by a test.

use crate::engine::capability::{Capabilities, ColumnInput, KeyLimit, Mapping, NameLimit, Naming, Rules};
use crate::model::endpoint::{Dialect, Flavour};
use crate::model::plan::{Fidelity, IdentityPlan, Plan, Script};
use crate::model::schema::{DataType, DefaultValue, Identity};

pub(super) struct FakeRules {
    pub(super) dialect: Dialect,
    pub(super) can: Capabilities,
    pub(super) key_limit: KeyLimit,
}

impl FakeRules {
    /// A target that can do everything.
    pub(super) fn able(dialect: Dialect) -> Self {
        let can = Capabilities {
            max_name: NameLimit::Unlimited,
            max_columns: 100,
            max_indexes: 100,
            max_index_columns: 10,
            case_sensitive_tables: true,
            case_sensitive_columns: true,
            index_names_are_global: false,
            indexes_share_names_with_tables: false,
            primary_key_names: true,
            constraint_names_are_global: false,
            partial_indexes: true,
            expression_indexes: true,
            invisible_columns: false,
            index_prefixes: true,
            index_include: true,
            index_nulls_order: true,
            index_methods: &["gin", "fulltext"],
            deferrable: true,
            deferrable_unique: true,
            unique_constraints: true,
            set_default: true,
            unique_parents: false,
            match_full: true,
            checks: true,
            generated_not_null: true,
            generated_stored: true,
            generated_virtual: true,
            default_expressions: true,
            sequences: true,
            late_instants: true,
            comments: true,
            on_update_now: true,
            restores_whole: false,
            writers: 1,
        };
        Self { dialect, can, key_limit: KeyLimit::Unlimited }
    }

    /// A target that can hardly do anything.
    pub(super) fn poor(dialect: Dialect) -> Self {
        let can = Capabilities {
            max_name: NameLimit::Bytes(20),
            max_columns: 5,
            max_indexes: 2,
            max_index_columns: 2,
            case_sensitive_tables: false,
            case_sensitive_columns: false,
            index_names_are_global: true,
            indexes_share_names_with_tables: true,
            primary_key_names: false,
            constraint_names_are_global: true,
            partial_indexes: false,
            expression_indexes: false,
            invisible_columns: false,
            index_prefixes: false,
            index_include: false,
            index_nulls_order: false,
            index_methods: &[],
            deferrable: false,
            deferrable_unique: false,
            unique_constraints: false,
            set_default: false,
            unique_parents: false,
            match_full: false,
            checks: false,
            generated_not_null: false,
            generated_stored: false,
            generated_virtual: false,
            default_expressions: false,
            sequences: true,
            late_instants: false,
            comments: false,
            on_update_now: false,
            restores_whole: false,
            writers: 1,
        };
        Self { dialect, can, key_limit: KeyLimit::Unlimited }
    }
}

impl Rules for FakeRules {
    fn dialect(&self) -> Dialect {
        self.dialect
    }

    fn flavour(&self) -> Flavour {
        match self.dialect {
            Dialect::Sqlite => Flavour::Sqlite,
            Dialect::Postgres => Flavour::Postgres,
            Dialect::Mysql => Flavour::Mysql,
        }
    }

    fn capabilities(&self) -> &Capabilities {
        &self.can
    }

    fn key_limit(&self) -> KeyLimit {
        self.key_limit
    }

    fn accepts_name(&self, name: &str) -> bool {
        // MySQL takes no emoji and no blank at the end.
        let plain = name.chars().all(|c| u32::from(c) <= 0xffff) && !name.ends_with(' ');
        let plain = plain || self.dialect != Dialect::Mysql;
        plain && !name.is_empty() && !name.contains('\0') && self.can.max_name.fits(name)
    }

    fn watches_changed_columns(&self) -> bool {
        self.dialect != Dialect::Mysql
    }

    fn quote(&self, name: &str) -> String {
        format!("<{name}>")
    }

    fn literal(&self, text: &str) -> String {
        format!("'{text}'")
    }

    fn map_column(&self, input: &ColumnInput<'_>) -> Mapping {
        let data_type = &input.column.data_type;
        let (native_type, fidelity) = match data_type {
            DataType::Int { bits, unsigned } => {
                (format!("int{bits}{}", if *unsigned { "u" } else { "" }), Fidelity::Exact)
            }
            DataType::Text { max_chars: Some(n), .. } => (format!("varchar({n})"), Fidelity::Exact),
            DataType::Text { max_chars: None, .. } if input.indexed => {
                ("varchar(255)".into(), Fidelity::Emulated)
            }
            DataType::Text { .. } => ("text".into(), Fidelity::Exact),
            DataType::Year => ("int16".into(), Fidelity::Wider),
            DataType::Native { .. } => ("nothing".into(), Fidelity::Unsupported),
            other => (format!("{other:?}").to_lowercase(), Fidelity::Exact),
        };
        Mapping {
            native_type,
            carries: data_type.clone(),
            fidelity,
            note: None,
            collation: None,
            needs: None,
        }
    }

    fn type_of(&self, _: &str) -> DataType {
        DataType::Any
    }

    fn default(&self, value: &DefaultValue, _: &Mapping) -> Option<String> {
        Some(match value {
            DefaultValue::Expression(text) if self.can.default_expressions => format!("({text})"),
            DefaultValue::Expression(_) => return None,
            DefaultValue::Number(n) => n.clone(),
            DefaultValue::Text(t) => self.literal(t),
            other => format!("{other:?}").to_uppercase(),
        })
    }

    fn identity(&self, identity: &Identity, mapping: &Mapping) -> Option<IdentityPlan> {
        mapping.native_type.starts_with("int").then_some(IdentityPlan {
            generation: identity.generation,
            next: identity.next,
            increment: identity.increment,
        })
    }

    fn script(&self, _: &Plan, _: &Naming) -> Script {
        Script::default()
    }
}
