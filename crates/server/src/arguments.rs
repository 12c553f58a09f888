//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::bench::{Bench, BenchPaging, BenchPathway, BenchTrail, BenchWork};
use crate::settings::Part;

/// One shared health record for every institution of a medical consortium, spoken to in FHIR R4.
#[derive(Debug, Parser)]
#[command(name = "qingshan", version)]
pub(crate) struct Arguments {
    /// A settings file (TOML). `qingshan settings` prints all settings with their defaults.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serves the record over HTTP until it is interrupted.
    Serve(Serve),
    /// Puts FHIR resources from files into a record.
    Import(Import),
    /// Writes a record's current resources as NDJSON, one file for each type.
    Export(Export),
    /// Checks the settings and the storage, and says what it found.
    Check(Place),
    /// Copies a whole record, with its history and its change feed, into an empty one.
    Copy(Copy),
    /// Machines that sign in by themselves, and apps that people let in.
    #[command(subcommand)]
    Client(Client),
    /// People who sign in with a password.
    #[command(subcommand)]
    Account(Account),
    /// The institutions of the consortium and who works where, from one file.
    #[command(subcommand)]
    Consortium(Consortium),
    /// Care processes as folders of text: checked, and put into a record.
    #[command(subcommand)]
    Protocol(Protocol),
    /// Measures this program on this machine and prints a page; `cargo xtask bench record` prepares and runs it.
    Bench(Bench),
    /// Measures what the trail costs on this machine; `cargo xtask bench audit` prepares and runs it.
    BenchTrail(BenchTrail),
    /// Measures staff at their worklists on this machine; `cargo xtask bench work` prepares and runs it.
    BenchWork(BenchWork),
    /// Plays cases of stroke through a serial and the parallel protocol; `cargo xtask bench pathway` prepares and runs it.
    BenchPathway(BenchPathway),
    /// Measures from starting a team to its last page on this machine; `cargo xtask bench paging` prepares and runs it.
    BenchPaging(BenchPaging),
    /// Stands in for a gateway of text messages and for push services: takes what it is given and sends nothing. What
    /// it has taken is at /messages.
    #[command(hide = true)]
    StandInGateway {
        /// Where to listen.
        #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8093")]
        listen: std::net::SocketAddr,
    },
    /// The trail of who did what: whether it is whole, and its seals.
    #[command(subcommand)]
    Audit(Audit),
    /// Answers every request with this many bytes: what `bench` compares with.
    #[command(hide = true)]
    Constant { size: usize },
    /// Prints every setting with its default and its meaning.
    Settings,
}

/// Where a record is.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// Folder of the record.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// PostgreSQL database of the record; without it the record is embedded in its folder.
    #[arg(long, value_name = "postgres://…")]
    pub(crate) database: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Address and port to listen on.
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<String>,
    /// Run only these parts in this process.
    #[arg(long, value_delimiter = ',', value_name = "PARTS")]
    pub(crate) only: Vec<Part>,
    /// Serve without sign-in; only on a loopback address.
    #[arg(long)]
    pub(crate) open: bool,
    /// Serve under a clock that stands at a time (RFC 3339) until standard input moves it. Refused unless anybody may
    /// enter, as in a demonstration.
    #[arg(long, hide = true, value_name = "TIME")]
    pub(crate) stepped_clock: Option<jiff::Timestamp>,
    /// Keep no trail, so that `bench` can say what it costs. Refused for a record that has one.
    #[arg(long, hide = true)]
    pub(crate) measure_without_trail: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Send to a running server instead: the address of its FHIR service, such as http://127.0.0.1:8080/fhir.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "database"])]
    pub(crate) to: Option<String>,
    /// With --to: the bearer token to send; @FILE reads it from a file.
    #[arg(long, value_name = "TOKEN", requires = "to")]
    pub(crate) token: Option<String>,
    /// Leave out resources that are refused, count and list them, and go on.
    #[arg(long)]
    pub(crate) skip_invalid: bool,
    /// Where to remember how far an import came. By default in the record's folder, or with --to in this folder.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Files or folders: .json, .ndjson, .jsonl, each also as .gz, and .zip, .tar, .tar.gz archives of those.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Folder to write to; made if it does not exist.
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// The record to read: a folder or a postgres:// URL.
    #[arg(long, value_name = "RECORD")]
    pub(crate) from: String,
    /// The empty record to write: a folder or a postgres:// URL.
    #[arg(long, value_name = "RECORD")]
    pub(crate) to: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Client {
    /// Registers a machine or an app and prints its secret, once, if it has one.
    Add(AddClient),
}

#[derive(Debug, Args)]
pub(crate) struct AddClient {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The name it signs in with.
    #[arg(long)]
    pub(crate) id: String,
    /// What it may do, as SMART scopes: 'system/*.rs system/Task.cruds', 'launch patient/*.rs openid fhirUser'.
    #[arg(long)]
    pub(crate) scope: String,
    /// What people know it by.
    #[arg(long, default_value = "")]
    pub(crate) name: String,
    /// Where an app may have people sent back to; may be given several times.
    #[arg(long, value_name = "URL")]
    pub(crate) redirect_uri: Vec<String>,
    /// It runs where it can keep no secret, such as in a browser, and is given none.
    #[arg(long, conflicts_with = "jwks")]
    pub(crate) public: bool,
    /// It proves itself by a signature: the address of its JSON Web Key Set, or @FILE with the set itself.
    #[arg(long, value_name = "URL|@FILE")]
    pub(crate) jwks: Option<String>,
    /// The address it is started at from a patient's record.
    #[arg(long, value_name = "URL")]
    pub(crate) launch_url: Option<String>,
    /// For a machine: the id of the institution it works for. What patients keep from that institution is kept from it.
    /// Without it, it is the consortium's own software, from which is kept what is kept from any institution.
    #[arg(long, value_name = "ID")]
    pub(crate) institution: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Makes an account and prints a password, once, which the person replaces when they first sign in.
    Add {
        #[command(flatten)]
        place: Place,
        /// The name the person signs in with.
        #[arg(long)]
        login: String,
        /// What the person is called.
        #[arg(long)]
        name: String,
        /// For staff: the id of the Practitioner.
        #[arg(long, value_name = "ID", required_unless_present_any = ["patient", "related"])]
        practitioner: Option<String>,
        /// For patients: the ids of the Patient resources that are this person.
        #[arg(long, value_name = "ID", conflicts_with = "practitioner")]
        patient: Vec<String>,
        /// For those who act for patients: the ids of the RelatedPerson resources that are this person.
        #[arg(long, value_name = "ID", conflicts_with = "practitioner")]
        related: Vec<String>,
    },
    /// Gives an account a new password and prints it, once.
    Password(OneAccount),
    /// Signs an account out everywhere and lets it in no more.
    Disable(OneAccount),
    /// Lets a disabled account in again.
    Enable(OneAccount),
    /// Lets somebody try again who failed too often.
    Unlock {
        #[command(flatten)]
        account: OneAccount,
        /// Take off the second factor as well, which was lost.
        #[arg(long)]
        second_factor: bool,
    },
    /// Lists all accounts.
    List(Place),
    /// Makes accounts, or makes them anew, from a file: [[account]] tables in TOML, or one JSON object a line.
    Import {
        #[command(flatten)]
        place: Place,
        /// The file: .toml, .ndjson or .jsonl.
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct OneAccount {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The name the person signs in with.
    #[arg(long)]
    pub(crate) login: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Consortium {
    /// Shows what is different between a file and a record, and makes the record say what the file says.
    Apply {
        #[command(flatten)]
        holder: Holder,
        /// Write without asking.
        #[arg(long)]
        yes: bool,
        /// Show every difference, however many.
        #[arg(long)]
        full: bool,
        /// The file (TOML).
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Prints the file that says what a record says now.
    Show {
        #[command(flatten)]
        holder: Holder,
        /// Which consortium, where a record has several.
        #[arg(long)]
        id: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Protocol {
    /// Says what is wrong with folders, by file and line, and fails when something is.
    Check {
        /// The file of the consortium the lines are for: then roles whose duties nobody there holds are found as well.
        #[arg(long, value_name = "FILE")]
        consortium: Option<PathBuf>,
        /// Folders of lines; those named together may start one another's protocols.
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
    },
    /// Checks folders and makes a record hold what they say. Doing it twice changes nothing.
    Install {
        #[command(flatten)]
        holder: Holder,
        /// Write over versions that are stored and say otherwise; runs that began with them go on under the new words.
        #[arg(long)]
        replace: bool,
        /// Folders of lines; those named together may start one another's protocols.
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
    },
    /// Lets the open runs of an earlier version go on under the latest, by the mapping that one declares, and names those
    /// that would lose something and stay. Doing it twice changes nothing.
    Migrate {
        #[command(flatten)]
        place: Place,
        /// The version they began with.
        #[arg(long, value_name = "VERSION")]
        from: String,
        /// The code of the protocol.
        #[arg(value_name = "CODE")]
        code: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Recomputes the whole trail, names whatever was changed, removed, repeated, moved or cut off, and then fails.
    Verify {
        #[command(flatten)]
        place: Place,
        /// Seals that another custodian kept, as `audit heads` prints them.
        #[arg(long, value_name = "FILE")]
        heads: Option<PathBuf>,
    },
    /// Seals the trail as it is now and prints all seals, for another custodian to keep.
    Heads {
        #[command(flatten)]
        place: Place,
        /// Only those with greater numbers.
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
    },
    /// Prints the public key of this institution's seals, which other members put into trail.members.
    Key(Place),
    /// As another member: holds an institution's newest seals to those kept before, keeps them too, and prints the
    /// signature to send to its POST /audit/countersign.
    Countersign {
        #[command(flatten)]
        place: Place,
        /// Where this member keeps that institution's seals; made at the first time.
        #[arg(long, value_name = "FILE")]
        keep: PathBuf,
        /// The seals as that institution's `audit heads` or GET /audit/heads gave them.
        #[arg(value_name = "HEADS")]
        heads: PathBuf,
    },
}

/// A record here, or a running server.
#[derive(Debug, Args)]
pub(crate) struct Holder {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Ask a running server instead: the address of its FHIR service, such as http://127.0.0.1:8080/fhir.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data", "database"])]
    pub(crate) to: Option<String>,
    /// With --to: the bearer token to send; @FILE reads it from a file.
    #[arg(long, value_name = "TOKEN", requires = "to")]
    pub(crate) token: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_parts_of_serve_are_separated_by_commas() {
        let arguments = Arguments::try_parse_from(["qingshan", "serve", "--data", "d", "--only", "api,jobs"]).unwrap();
        let Command::Serve(serve) = arguments.command else { panic!("serve is a command") };
        assert_eq!(serve.only, [Part::Api, Part::Jobs]);
    }

    #[test]
    fn an_import_goes_to_a_folder_or_to_a_server_but_not_to_both() {
        let both = ["qingshan", "import", "--data", "d", "--to", "http://127.0.0.1:1/fhir", "a.json"];
        assert!(Arguments::try_parse_from(both).is_err());
        assert!(Arguments::try_parse_from(["qingshan", "import", "--data", "d"]).is_err());
    }
}
