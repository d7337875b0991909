//! Results of diagnostics as `json.dumps` writes them: blanks after `,` and `:`, and by default everything beyond
//! ASCII as `\uXXXX`, emoji as two of them. Bodies are made once and shared by many rows; what differs from row to
//! row is put in front.

use std::fmt::Write as _;

use super::random::Random;

/// The seven columns of results, in the table's order.
pub const COLUMNS: usize = 7;

/// Bodies of one column: everything of a JSON object but its opening brace and first keys.
pub struct Bodies(Vec<Vec<String>>);

/// Variants of one column.
const VARIANTS: usize = 48;

impl Bodies {
    /// Bodies for all columns.
    pub fn new(random: &mut Random) -> Self {
        let one = |column: usize, random: &mut Random| {
            (0..VARIANTS).map(|variant| body(column, variant % 7 != 3, random)).collect()
        };
        Self((0..COLUMNS).map(|column| one(column, random)).collect())
    }

    /// Writes the text of a column for a row: what is its own, then a body.
    pub fn write(&self, out: &mut String, column: usize, row: u64, random: &mut Random) {
        out.clear();
        let percent = random.below(1000);
        let _ = write!(out, "{{\"id\": {row}, \"usage\": {}.{}, ", percent / 10, percent % 10);
        let bodies = &self.0[column];
        out.push_str(&bodies[random.position(bodies.len())]);
    }
}

/// Text of a JSON string, quoted.
pub fn quoted(text: &str, ascii: bool) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if u32::from(c) < 0x20 || (ascii && !c.is_ascii()) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

const PROCESSORS: [&str; 4] = [
    "Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz",
    "AMD Ryzen 5 3600 6-Core Processor",
    "Intel(R) Xeon(R) E-2224 — servidor da recepção",
    "Apple M1",
];
const PROGRAMS: [&str; 6] = [
    "OneDrive",
    "Atualização do Java",
    "Não identificado \"svc.exe\"",
    "C:\\Arquivos de Programas\\Ação\\inicia.exe",
    "Música & Vídeo 🎵",
    "Segurança do Windows",
];
const DRIVERS: [&str; 5] = [
    "Realtek High Definition Audio",
    "Controlador de vídeo NVIDIA GeForce GTX 1050",
    "Leitor de cartão — desatualizado",
    "Impressora HP LaserJet (recepção)",
    "Adaptador de rede sem fio 📶",
];
const ISSUES: [&str; 6] = [
    "Utilização de CPU elevada",
    "Memória quase cheia",
    "Fragmentação do disco acima do recomendado",
    "Antivírus desatualizado ⚠️",
    "Driver não assinado",
    "Latência alta até o servidor de atualização",
];

fn body(column: usize, ascii: bool, random: &mut Random) -> String {
    let mut out = String::new();
    let text = |what: &str| quoted(what, ascii);
    match column {
        0 => {
            let _ = write!(
                out,
                "\"model\": {}, \"cores\": {}, \"frequency\": {}.0, ",
                text(random.pick(&PROCESSORS)),
                1 + random.below(16),
                1600 + random.below(2400)
            );
        }
        1 => {
            let _ =
                write!(out, "\"total\": {}, \"available\": {}, ", random.next() >> 30, random.next() >> 31);
        }
        2 => list(&mut out, "partitions", random, |out, random| {
            let drive = char::from(b'C' + u8::try_from(random.below(4)).unwrap());
            let free = random.below(1 << 40);
            let _ = write!(out, "\"mountpoint\": \"{drive}:\\\\\", \"fstype\": \"NTFS\", \"free\": {free}");
        }),
        3 => list(&mut out, "programs", random, |out, random| {
            let name = text(random.pick(&PROGRAMS));
            let _ = write!(out, "\"name\": {name}, \"enabled\": {}, \"delay\": null", random.chance(50));
        }),
        4 => list(&mut out, "drivers", random, |out, random| {
            let name = text(random.pick(&DRIVERS));
            let _ =
                write!(out, "\"name\": {name}, \"version\": \"{}.{}\"", random.below(30), random.below(9999));
        }),
        5 => {
            let _ = write!(
                out,
                "\"antivirus\": {}, \"firewall\": {}, ",
                text(random.pick(&PROGRAMS)),
                random.chance(80)
            );
        }
        _ => list(&mut out, "interfaces", random, |out, random| {
            let _ = write!(out, "\"name\": {}, \"ping\": {}", text("Conexão local"), random.below(300));
        }),
    }
    list(&mut out, "issues", random, |out, random| {
        let _ = write!(
            out,
            "\"description\": {}, \"impact\": \"{}\"",
            text(random.pick(&ISSUES)),
            random.pick(&["low", "medium", "high"])
        );
    });
    out.push_str("\"analyzed\": true}");
    out
}

/// Up to two entries, so that two rows fit into a page of SQLite's: about 2 KB a row.
fn list(out: &mut String, name: &str, random: &mut Random, item: impl Fn(&mut String, &mut Random)) {
    let _ = write!(out, "\"{name}\": [");
    for at in 0..random.below(3) {
        out.push_str(if at == 0 { "{" } else { ", {" });
        item(out, random);
        out.push('}');
    }
    out.push_str("], ");
}
