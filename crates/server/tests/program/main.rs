//! The program as people and other systems meet it: its command line, its files and its port.

mod closure;
mod consortium;
mod half_year;
mod hostile;
mod import;
mod killed;
mod parts;
mod protocols;
mod real_input;
mod serve;
mod sign_in;

use std::process::{Command, Output};

/// Runs the program to its end.
fn qingshan(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_qingshan")).args(words).output().expect("the program starts")
}

/// All that a run wrote.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
