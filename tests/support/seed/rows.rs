//! Values of the rows: ordinary ones, and among the first rows of each table every kind that has made a migration
//! go wrong (text at the edge of its type, look-alikes in unique columns, extreme dates and numbers).

use std::fmt::Write as _;

use rusqlite::{Connection, params};

use super::Options;
use super::passwords::PASSWORDS;
use super::random::Random;

/// A user that no file has.
pub const NO_SUCH_USER: i64 = 900_000_001;

/// Id of a diagnostic: ascending with gaps, as deleted rows leave them.
pub fn id(row: u64) -> i64 {
    i64::try_from(row + 1 + row / 50).unwrap()
}

/// Look-alikes are different roles to the application; 0 is an id like any other.
pub fn roles(file: &Connection, older: bool) -> rusqlite::Result<()> {
    if older {
        file.execute_batch(
            "INSERT INTO roles (name, description, permissions) VALUES
            ('Admin Master', 'Acesso completo ao sistema', 63),
            ('Técnico', 'Acesso a funcionalidades técnicas', 15),
            ('Visualizador', 'Acesso somente leitura', 3)",
        )?;
        return Ok(());
    }
    let mut insert =
        file.prepare("INSERT INTO roles (id, name, description, permissions) VALUES (?, ?, ?, ?)")?;
    for (id, name, description, permissions) in [
        (0, Some("Sem papel"), Some("Chave zero"), Some(0)),
        (1, Some("Admin Master"), Some("Acesso completo ao sistema"), Some(126)),
        (2, Some("Técnico"), Some("Acesso a funcionalidades técnicas"), Some(14)),
        (3, Some("Tecnico"), Some(""), Some(14)),
        (4, Some("Visualizador"), Some("Acesso somente leitura"), Some(2)),
        (5, Some("Visualizador "), None, Some(2)),
        (6, Some("visualizador"), None, Some(2)),
        (8, Some(""), Some("Nome vazio"), None),
        (9, None, Some("Sem nome"), Some(-1)),
    ] {
        insert.execute(params![id, name, description, permissions])?;
    }
    Ok(())
}

/// Names that only an exact comparison tells apart, and texts that only exact copying keeps.
const USERNAMES: [Option<&str>; 24] = [
    Some("admin"),
    Some("ana"),
    Some("Ana"),
    Some("aná"),
    Some("ana "),
    Some("José"),
    Some("Jose\u{301}"),
    Some("Strasse"),
    Some("Straße"),
    Some("😀"),
    Some("😁"),
    Some(""),
    None,
    None,
    Some("o'neil"),
    Some("barra\\n"),
    Some("\\N"),
    Some("aspas\"duplas"),
    Some("tab\te\r\nlinhas"),
    Some("\u{feff}bom"),
    Some("linha\u{2028}separada"),
    Some("\u{10ffff}"),
    Some(
        "um nome de usuário que ninguém digitaria mas que o formulário aceita sem reclamar, bem mais longo que 64",
    ),
    Some("NULL"),
];

/// Accounts. User `n` logs in with password `n % 8` of the list.
pub fn users(file: &Connection, options: &Options, random: &mut Random) -> rusqlite::Result<()> {
    let role = if options.older_schema { "role, role_id" } else { "name, role_id" };
    let mut insert = file.prepare(&format!(
        "INSERT INTO users (id, username, email, password_hash, created_at, last_login, active, {role}) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))?;
    let mut created = String::new();
    let mut login = String::new();
    for row in 0..options.users {
        let at = usize::try_from(row).unwrap();
        let username = match USERNAMES.get(at) {
            Some(special) => special.map(str::to_owned),
            None => Some(format!("usuario{row}")),
        };
        let email = match row {
            6 => None,
            7 => Some(String::new()),
            8 => Some("ANA@exemplo.com.br".to_owned()),
            9 => Some("ana@exemplo.com.br".to_owned()),
            _ => Some(format!("pessoa{row}@exemplo.com.br")),
        };
        date(&mut created, row, random);
        date(&mut login, row + 1000, random);
        let active = match row % 17 {
            3 => None,
            5 => Some(false),
            _ => Some(true),
        };
        let title = match (options.older_schema, row) {
            (true, 0) => Some("admin"),
            (true, _) => Some(random.pick(&["tech", "user"])),
            (false, 11) => Some(""),
            (false, row) if row % 5 == 4 => None,
            (false, _) => Some(random.pick(&["Maria Conceição", "João Ávila", "Zé 🔧", "Ana Lúcia d'Água"])),
        };
        let role_id = match row {
            0 => Some(1),
            row if row % 11 == 7 => None,
            _ => Some(i64::try_from(1 + random.below(3)).unwrap()),
        };
        insert.execute(params![
            i64::try_from(row + 1).unwrap(),
            username,
            email,
            PASSWORDS[at % PASSWORDS.len()].1,
            created,
            (row % 4 != 2).then_some(login.as_str()),
            active,
            title,
            role_id,
        ])?;
    }
    Ok(())
}

/// Plans, one for every fourth user. The form takes any number for the day.
pub fn maintenance_plans(file: &Connection, options: &Options, random: &mut Random) -> rusqlite::Result<()> {
    const DAYS: [Option<i64>; 9] = [
        None,
        Some(1),
        Some(31),
        Some(0),
        Some(-1),
        Some(4_294_967_296),
        Some(i64::MAX),
        Some(i64::MIN),
        Some(99),
    ];
    let mut insert = file.prepare(
        "INSERT INTO maintenance_plans (id, user_id, name, cleaning_types, frequency, day_of_week, day_of_month, \
         time, enabled, last_run, next_run, notify_email, notify_sms, created_at, updated_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut dates: [String; 4] = Default::default();
    for row in 0..options.users.div_ceil(4) {
        for (at, text) in dates.iter_mut().enumerate() {
            date(text, row + 20 + at as u64 * 50, random);
        }
        let [last, next, created, updated] = &dates;
        let day = DAYS.get(usize::try_from(row).unwrap()).copied();
        let frequency = random.pick(&["daily", "weekly", "monthly", "custom"]);
        let name = match row {
            0 => "Limpeza de todos os computadores da recepção, do estoque e da diretoria 🧹",
            1 => "",
            _ => "Limpeza semanal",
        };
        insert.execute(params![
            i64::try_from(row + 1).unwrap(),
            i64::try_from(1 + row * 4).unwrap(),
            name,
            random.pick(&["temp,browser,registry", "temp", "browser,lixeira"]),
            frequency,
            (frequency == "weekly").then_some(random.pick(&["monday", "friday", "sábado"])),
            day.unwrap_or_else(|| Some(i64::try_from(1 + random.below(31)).unwrap())),
            random.pick(&["08:30", "23:59", "00:00", "8h30"]),
            (row % 6 != 2).then_some(row % 5 != 3),
            (row % 3 != 0).then_some(last.as_str()),
            (row % 3 != 1).then_some(next.as_str()),
            (row % 2 == 0).then_some("aviso@exemplo.com.br"),
            (row % 4 == 0).then_some("+55 (11) 91234-5678"),
            created,
            updated,
        ])?;
    }
    Ok(())
}

/// Name of a diagnostic.
pub fn name(out: &mut String, row: u64, random: &mut Random) {
    out.clear();
    let _ = match row {
        3 => write!(out, "Diagnóstico com nome mais longo do que os sessenta e quatro caracteres declarados"),
        4 => Ok(()),
        _ => {
            let place = random.pick(&["recepção", "ESTOQUE", "estoque", "Direção 🖥️", "laboratório"]);
            write!(out, "PC-{:04} {place}", random.below(2000))
        }
    };
}

/// A date as SQLAlchemy writes it.
pub fn date(out: &mut String, row: u64, random: &mut Random) {
    const EDGES: [&str; 8] = [
        "1000-01-01 00:00:00.000000",
        "9999-12-31 23:59:59.999999",
        // A minute that clocks in São Paulo did not show.
        "2018-11-04 00:30:00.000000",
        "1969-12-31 23:59:59.999999",
        "1970-01-01 00:00:00.000000",
        "2024-02-29 12:00:00.000001",
        "2038-01-19 03:14:08.000000",
        "1900-03-01 06:07:08.900000",
    ];
    out.clear();
    if let Some(edge) = EDGES.get(usize::try_from(row).unwrap()) {
        out.push_str(edge);
        return;
    }
    let bits = random.next();
    let (year, month, day) = (2019 + bits % 7, 1 + (bits >> 8) % 12, 1 + (bits >> 16) % 28);
    let (hour, minute, second) = ((bits >> 24) % 24, (bits >> 32) % 60, (bits >> 40) % 60);
    // Now and then there is nothing behind the point, and the digits are there all the same.
    let micros = if bits.is_multiple_of(10) { 0 } else { (bits >> 44) % 1_000_000 };
    let _ = write!(out, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{micros:06}");
}

/// Score. −0.0 becomes 0.0 in a column of SQLite's.
pub fn score(row: u64, random: &mut Random) -> Option<f64> {
    const EDGES: [f64; 9] =
        [100.0, 0.0, -0.0, 1e-300, 0.1 + 0.2, f64::MAX, f64::MIN_POSITIVE, -1.5, 33.333_333_333_333_336];
    match EDGES.get(usize::try_from(row).unwrap()) {
        Some(edge) => Some(*edge),
        None if row % 31 == 9 => None,
        None => {
            let thousandths = u32::try_from(random.below(100_000)).unwrap();
            Some(f64::from(thousandths) / 1000.0)
        }
    }
}

/// Verdict.
pub fn status(row: u64, random: &mut Random) -> Option<&'static str> {
    match row % 41 {
        7 => None,
        8 => Some(""),
        _ => Some(random.pick(&["Bom", "Regular", "Crítico"])),
    }
}

/// Advice.
pub fn recommendations(row: u64, random: &mut Random) -> Option<&'static str> {
    const ADVICE: [&str; 4] = [
        "[\"Atualizar drivers\", \"Limpar arquivos tempor\\u00e1rios\"]",
        "[\"Verificar antivírus\", \"Desativar programas de inicialização\"]",
        "[]",
        "Trocar o disco; fazer cópia antes.",
    ];
    (row % 8 != 6).then(|| random.pick(&ADVICE))
}

/// Remarks; one is longer than MySQL's TEXT.
pub fn notes(out: &mut String, row: u64, random: &mut Random) {
    const EDGES: [&str; 6] = [
        "",
        " ",
        "linha\r\ncom tab\te \\. e \\N e 'aspas' e \"aspas\"",
        "e\u{301} não é é; \u{1f469}\u{200d}\u{1f527} \u{202e}direita\u{202c}",
        "\u{feff}começa com BOM",
        "0",
    ];
    out.clear();
    if row == 2 {
        // 100,002 bytes.
        (0..33_334).for_each(|_| out.push('€'));
    } else if let Some(edge) = EDGES.get(usize::try_from(row / 3).unwrap()) {
        out.push_str(edge);
    } else {
        let _ = write!(
            out,
            "Técnico {} visitou o local; peça nº {}. {}",
            random.below(90),
            random.below(1 << 40),
            random.pick(&[
                "Cliente satisfeito 👍",
                "Aguardando orçamento.",
                "Retornar na próxima semana — manhã."
            ])
        );
    }
}

/// What Python writes and reads, and stricter parsers refuse or read differently.
const NOT_QUITE_JSON: &str =
    "{\"nul\": \"\\u0000\", \"meio\": \"\\ud83d\", \"nan\": NaN, \"a\": 1, \"a\": 2}";

/// Results as they are found in the field: cut short, empty, no JSON, JSON that parsers disagree about, and long.
pub fn spoil(results: &mut [String; super::json::COLUMNS], row: u64) {
    match row {
        1 => grow(&mut results[4], 48_000),
        2 => grow(&mut results[3], 31_000),
        3 => grow(&mut results[6], 22_000),
        4 => results[0] = NOT_QUITE_JSON.into(),
        5 => results[1] = "null".into(),
        6 => results[2] = "{'aspas': simples}".into(),
        // The largest of all: a full driver list of a real machine, indented.
        7 => grow(&mut results[4], 70_000),
        _ if row % 101 == 50 => {
            let text = &mut results[3];
            let half = (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            text.truncate(half);
        }
        _ if row % 29 == 8 => results[5].clear(),
        _ => {}
    }
}

fn grow(text: &mut String, bytes: usize) {
    let item = text.trim_end_matches('}').to_owned() + ", \"nota\": \"a\\u00e7\\u00e3o \\ud83d\\ude00\"}";
    text.insert(0, '[');
    while text.len() < bytes {
        text.push_str(",\n  ");
        text.push_str(&item);
    }
    text.push(']');
}
