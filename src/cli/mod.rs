//! What was typed, where databases are, and what is shown: the only floor that reads arguments and writes to the terminal.

pub mod args;
pub mod config;
pub mod dispatch;
mod faults;
mod keep;
pub mod logging;
mod man;
pub mod progress;
pub mod render;
mod signals;
pub mod terminal;
pub mod units;

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use clap_complete::Shell;
use tokio_util::sync::CancellationToken;

use self::args::{ColorMode, Command, Format};
use self::config::Environment;
use self::dispatch::{Answer, Context};
use self::progress::Progress;
use self::render::{json, nagios};
use self::terminal::{Style, Terminal};
use crate::model::error::{Error, ErrorKind};

/// How long threads that still block are waited for once everything is said.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// Parses, runs, shows; answers with the exit code.
pub fn run(args: &[OsString], environment: &Environment) -> u8 {
    let format: Format = args::peek(args, "--format");
    let terminal = Terminal::of_process(args::peek::<ColorMode>(args, "--color"), environment);
    let arguments = match args::parse(args) {
        Ok(arguments) => arguments,
        Err(message) => return usage(args, &message, format, &terminal),
    };
    let global = &arguments.global;
    let progress = Arc::new(Progress::on_stderr(global.progress, global.quiet, &terminal));
    let stderr = Stderr { style: terminal.stderr, in_a_line: global.quiet && !terminal.stderr_is_terminal };
    let of_the_command_line = match &arguments.command {
        Command::Completions { shell } => Some(completions(*shell, global.format)),
        Command::Man(args) => Some(man::run(args, global.format)),
        _ => None,
    };
    if let Some(answer) = of_the_command_line {
        return conclude(&answer, &progress, stderr);
    }
    logging::start(global.verbose, global.quiet, terminal.stderr, environment, progress.clone());
    let context = Context {
        global,
        terminal,
        environment,
        progress: progress.clone(),
        cancel: CancellationToken::new(),
    };
    let answer = faults::contain(|| carry_out(&arguments.command, &context)).unwrap_or_else(|fault| {
        Answer::failed(global.format, Some(arguments.command.name()), fault, None, None)
    });
    conclude(&answer, &progress, stderr)
}

fn completions(shell: Shell, format: Format) -> Answer {
    let script = args::completions(shell);
    Answer::done(format, || script.clone(), || json::text("completions", &script), 0)
}

/// How errors are shown.
#[derive(Clone, Copy)]
struct Stderr {
    style: Style,
    /// For cron and the like: whoever asks for quiet and is no terminal.
    in_a_line: bool,
}

/// Shows what a command has come to.
fn conclude(answer: &Answer, progress: &Progress, stderr: Stderr) -> u8 {
    progress.finish();
    if let Some(failure) = &answer.error {
        let text = if stderr.in_a_line {
            render::error::line(failure, stderr.style)
        } else {
            render::error::render(failure, stderr.style)
        };
        progress.error(&text, &json::error_bone(failure));
    }
    put(&answer.stdout, answer.code, stderr.style)
}

fn carry_out(command: &Command, context: &Context<'_>) -> Answer {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            let failure =
                Error::new(ErrorKind::Internal, "cannot start the threads that the work needs").why(e);
            return Answer::failed(context.global.format, Some(command.name()), failure, None, None);
        }
    };
    let answer = runtime.block_on(async {
        signals::listen(context.cancel.clone(), context.progress.clone());
        let ticking = tokio::spawn(tick(context.progress.clone()));
        let answer = dispatch::run(command, context).await;
        ticking.abort();
        answer
    });
    runtime.shutdown_timeout(LEAVE_WITHIN);
    answer
}

async fn tick(progress: Arc<Progress>) {
    let mut seconds = tokio::time::interval(Duration::from_secs(1));
    loop {
        seconds.tick().await;
        progress.tick();
    }
}

/// Help, the version, or clap's own message about a wrong command line, which may quote a URL.
fn usage(args: &[OsString], message: &clap::Error, format: Format, terminal: &Terminal) -> u8 {
    let code = u8::try_from(message.exit_code()).unwrap_or(2);
    let text = message.render();
    let plain = render::error::mask(&text.to_string());
    let dressed = |style: Style| {
        if style.color { render::error::mask(&text.ansi().to_string()) } else { plain.clone() }
    };
    if message.use_stderr() {
        // Nobody is left to tell if stderr is closed.
        let _ = io::stderr().lock().write_all(dressed(terminal.stderr).as_bytes());
        if format == Format::Json {
            let said = plain.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
            let said = said.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
            let what = said.strip_prefix("error: ").unwrap_or("no command was given");
            let failure = Error::new(ErrorKind::Usage, what).next("see techcare-db --help");
            let document = json::failed(args::peek_command(args), &failure, None, None);
            return put(&dispatch::document_text(&document), code, terminal.stderr);
        }
        if format == Format::Nagios && args::peek_command(args) == Some("check") {
            let what = plain.lines().next().unwrap_or_default();
            let what = what.strip_prefix("error: ").unwrap_or(what);
            let (line, state) = nagios::failed(&Error::new(ErrorKind::Usage, what));
            return put(&line, state.code(), terminal.stderr);
        }
        return code;
    }
    match format {
        Format::Text | Format::Nagios => put(&dressed(terminal.stdout), code, terminal.stderr),
        Format::Json => put(&dispatch::document_text(&json::text("help", &plain)), code, terminal.stderr),
    }
}

/// Writes to stdout. A reader that has gone (`| head`) has what it wanted; any other failure is one.
fn put(text: &str, code: u8, style: Style) -> u8 {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => code,
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => code,
        Err(e) => {
            let failure = Error::new(ErrorKind::Write, "the report could not be written to stdout").why(e);
            let lines = render::error::render(&failure, style);
            let _ = writeln!(io::stderr().lock(), "{lines}");
            code.max(failure.kind().exit_code())
        }
    }
}
